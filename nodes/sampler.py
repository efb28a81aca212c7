"""VP-SDE Flow Sampler: a SAMPLER, alone or as the kernel of a search."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..samplers.guidance import GUIDANCES, NEEDS_NOISE, Guidance
from ..samplers.kernels import KERNELS
from ..samplers.kernels.settings import KernelSettings
from .host.kernel import FlowSampler, Guide
from .host.kernel_settings import names, read_kernel, setting_inputs
from .host.reward import HostReward
from .schema import CATEGORY, FlowReward, build, combo, flat, nested

# A workflow keeps values of widgets by their place: inputs that are added come last.
FIRST = (
    "interpolant", "diffusion", "diffusion_norm", "kernel", "glass_steps", "guidance", "reward",
    "vae", "prompt",
)  # fmt: skip


class VPSDEFlowSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = {i.id: i for i in (*setting_inputs(), *choices(), *alone())}
        return io.Schema(
            node_id="FlowSearchVPSDESampler",
            display_name="VP-SDE Flow Sampler",
            category=CATEGORY,
            description="Stochastic sampling for flow and diffusion models: makes the particles of "
            "a search differ. It also works alone, in SamplerCustomAdvanced.",
            search_aliases=["vp sde", "flow sde", "cps", "stochastic flow sampler"],
            inputs=[*(inputs.pop(name) for name in FIRST), *inputs.values()],
            outputs=[io.Sampler.Output()],
        )

    @classmethod
    def execute(
        cls,
        kernel: str = "euler_maruyama",
        guidance: dict[str, Any] | None = None,
        reward: HostReward | None = None,
        vae: Any = None,
        prompt: str = "",
        **inputs: Any,
    ) -> io.NodeOutput:
        kernel_settings, entries = read_kernel(kernel, inputs)
        # A workflow that was saved before there was guidance has none.
        guidance = nested("guidance", guidance, inputs) or {"guidance": "none"}
        built = build("guidance", GUIDANCES, guidance)
        check_guidance(built, kernel, kernel_settings)
        entries |= flat("guidance", guidance["guidance"], built)
        guide = Guide(built, reward, vae, prompt)
        return io.NodeOutput(FlowSampler(kernel_settings, guide, entries))


def choices() -> list[io.Input]:
    """What to choose from the registries."""
    return [
        io.Combo.Input(
            "kernel",
            options=list(KERNELS),
            default="euler_maruyama",
            tooltip="Formula of one step. euler_maruyama is the paper's, and eta is stable at any "
            "diffusion_norm.",
        ),
        combo(
            "guidance",
            GUIDANCES,
            "Moves each step up the reward's gradient, if the reward has one. Too much fools the "
            "reward.",
            optional=True,
        ),
    ]


def alone() -> list[io.Input]:
    """What guidance needs when the sampler runs alone."""
    return [
        FlowReward.Input(
            "reward",
            optional=True,
            tooltip="Reward that guidance follows when this sampler runs alone. A search uses its "
            "own reward.",
        ),
        io.Vae.Input(
            "vae",
            optional=True,
            tooltip="Decodes for the reward when this sampler runs alone with guidance.",
        ),
        io.String.Input(
            "prompt",
            multiline=True,
            default="",
            optional=True,
            tooltip="Prompt for the reward when this sampler runs alone with guidance. A search "
            "uses its own prompt.",
        ),
    ]


def check_guidance(guidance: Guidance, kernel: str, settings: KernelSettings) -> None:
    """Refuse guidance that would move no step of the kernel.

    Args:
        guidance: of the node.
        kernel: its name.
        settings: its settings.
    """
    if not guidance.strength:
        return
    if not settings.guidable:
        guidable = names({key: cls for key, cls in KERNELS.items() if cls.guidable})
        raise ValueError(
            f"Guidance cannot move the steps of this kernel: got {kernel}, expected {guidable}."
        )
    if not settings.stochastic and guidance.schedule in NEEDS_NOISE:
        raise ValueError(
            f"The schedule {guidance.schedule} moves a step in proportion to its noise: got "
            "diffusion_norm 0, expected more than 0. Or choose tempered or velocity."
        )
