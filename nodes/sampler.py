"""VP-SDE Flow Sampler: a SAMPLER for flow models, alone or as the kernel of a search."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..samplers.change_path import ChangePath
from ..samplers.diffusions import SHAPES, Diffusion
from ..samplers.glass import Glass
from ..samplers.guidance import GUIDANCES, NEEDS_NOISE, Guidance
from ..samplers.interpolants import INTERPOLANTS
from ..samplers.interpolants.linear import Linear
from ..samplers.kernels import KERNELS
from .host.kernel import GLASS, FlowSampler, Guide
from .host.reward import HostReward
from .schema import CATEGORY, FlowReward, build, combo, flat, nested, plain


class VPSDEFlowSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchVPSDESampler",
            display_name="VP-SDE Flow Sampler",
            category=CATEGORY,
            description="Stochastic sampling for flow models: makes the particles of a search "
            "differ. Works alone in SamplerCustomAdvanced, too.",
            search_aliases=["vp sde", "flow sde", "cps", "stochastic flow sampler"],
            inputs=[
                combo(
                    "interpolant",
                    INTERPOLANTS,
                    "Path the noise is removed along. VP stays longer at high noise, so children "
                    "of one particle differ most (the paper's choice); linear is the model's own.",
                ),
                io.Combo.Input(
                    "diffusion",
                    options=list(SHAPES),
                    default="square",
                    tooltip="How the fresh noise is spread over the steps. Square puts most of it "
                    "early, where the layout is decided.",
                ),
                io.Float.Input(
                    "diffusion_norm",
                    default=3.0,
                    min=0.0,
                    max=20.0,
                    step=0.05,
                    tooltip="Strength of the fresh noise. 0 is the plain ODE; higher gives more "
                    "different particles but less of what was already found. 3 is the paper's. "
                    "euler_maruyama refuses a norm too high for the sigmas.",
                ),
                io.Combo.Input(
                    "kernel",
                    options=[*KERNELS, GLASS],
                    default="euler_maruyama",
                    tooltip="Formula of one step. Euler–Maruyama is the paper's. eta keeps the "
                    "noise level exact: cleaner at few steps, stable at any diffusion_norm. Only "
                    "its noise level is exact: its bias halves when the steps double. glass draws "
                    "from the model's true transition, for glass_steps NFE each; interpolant, "
                    "diffusion and diffusion_norm do not matter to it.",
                ),
                io.Int.Input(
                    "glass_steps",
                    default=3,
                    min=1,
                    max=64,
                    optional=True,
                    advanced=True,
                    tooltip="Network evaluations of one glass transition: every candidate costs "
                    "that many NFE. More are truer. Only for the glass kernel.",
                ),
                combo(
                    "guidance",
                    GUIDANCES,
                    "Move each step up the reward's gradient. dps differentiates the network too: "
                    "an NFE and a backward pass more for each candidate that has children, and "
                    "much memory. x0 stops at the predicted picture: far cheaper. Only for rewards "
                    "with a gradient; too much fools the reward.",
                    optional=True,
                ),
                FlowReward.Input(
                    "reward",
                    optional=True,
                    tooltip="What guidance follows when this sampler runs alone. In a search it is "
                    "the search's own reward.",
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
                    tooltip="What the reward is asked when this sampler runs alone with guidance.",
                ),
            ],
            outputs=[io.Sampler.Output()],
        )

    @classmethod
    def execute(
        cls,
        interpolant: dict[str, Any] | None = None,
        diffusion: str = "square",
        diffusion_norm: float = 3.0,
        kernel: str = "euler_maruyama",
        glass_steps: int = 3,
        guidance: dict[str, Any] | None = None,
        reward: HostReward | None = None,
        vae: Any = None,
        prompt: str = "",
        **unknown: Any,
    ) -> io.NodeOutput:
        interpolant = nested("interpolant", interpolant, unknown)
        guidance = nested("guidance", guidance, unknown)
        path = build("interpolant", INTERPOLANTS, interpolant)
        settings = flat("interpolant", interpolant["interpolant"], path)
        settings |= plain(
            {"diffusion": diffusion, "diffusion_norm": diffusion_norm, "kernel": kernel}
        )
        guidance = guidance or {"guidance": "none"}  # a workflow saved before there was any
        follow = build("guidance", GUIDANCES, guidance)
        settings |= flat("guidance", guidance["guidance"], follow)
        check_step(follow, kernel, diffusion_norm)
        guide = Guide(follow, reward, vae, prompt)
        if kernel == GLASS:
            settings |= plain({"glass_steps": glass_steps})
            return io.NodeOutput(FlowSampler(Glass(glass_steps), guide, settings))
        if kernel not in KERNELS:
            known = ", ".join([*KERNELS, GLASS])
            raise ValueError(f"kernel {kernel!r} given, wanted one of {known}.")
        own = KERNELS[kernel](path, Diffusion(diffusion, diffusion_norm))
        return io.NodeOutput(FlowSampler(ChangePath(own, path, Linear()), guide, settings))


def check_step(guidance: Guidance, kernel: str, norm: float) -> None:
    """Refuse guidance that no step of the kernel would feel."""
    if not guidance.strength:
        return
    if kernel == GLASS:
        raise ValueError(
            "guidance given with the kernel glass, wanted euler_maruyama or eta: guidance moves "
            "the mean of a Gaussian step."
        )
    if norm == 0.0 and guidance.schedule in NEEDS_NOISE:
        raise ValueError(
            f"diffusion_norm 0 given with guidance by the schedule {guidance.schedule}, wanted "
            "more than 0, or the schedule tempered: this one moves a step in proportion to its "
            "noise."
        )
