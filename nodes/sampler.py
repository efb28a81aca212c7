"""VP-SDE Flow Sampler: a SAMPLER for flow models, alone or as the kernel of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from comfy.samplers import KSAMPLER
from comfy_api.latest import io
from torch import Tensor

from ..samplers.batching import MicroBatch
from ..samplers.change_path import ChangePath
from ..samplers.diffusions import SHAPES, Diffusion
from ..samplers.flow import Flow
from ..samplers.glass import Glass
from ..samplers.guidance import GUIDANCES, NEEDS_NOISE, Guidance
from ..samplers.interpolants import INTERPOLANTS
from ..samplers.interpolants.linear import Linear
from ..samplers.kernels import KERNELS
from ..samplers.noise import AddressedNoise
from ..samplers.purse import Purse
from ..samplers.stability import largest_norm
from ..samplers.steering import Steering
from ..samplers.task import Task
from ..samplers.types import Kernel
from .aside import aside
from .flow import Network, check_sigmas, stop_if_interrupted
from .gradient import HostGradients, check_gradient
from .objective import HostObjective
from .reward import HostReward
from .schema import CATEGORY, FlowReward, build, combo, flat, nested, plain

GLASS = "glass"


@dataclass(frozen=True)
class Guide:
    """What the sampler follows when it runs alone."""

    guidance: Guidance
    reward: HostReward | None
    vae: Any
    prompt: str

    def check(self) -> None:
        """Refuse, before any compute, what cannot be followed."""
        if self.reward is None or self.vae is None:
            missing = [n for n in ("reward", "vae") if getattr(self, n) is None]
            raise ValueError(
                f"guidance given without {' and '.join(missing)}, wanted both connected to the "
                "VP-SDE Flow Sampler: it runs outside a search."
            )
        check_gradient(self.guidance, self.reward)
        self.reward.check(self.prompt)

    def steering(self, network: Network, purse: Purse, batch: MicroBatch) -> Steering:
        reward = self.reward.fresh()
        objective = HostObjective(self.vae, reward, self.prompt, network, purse, batch)
        return steering(self.guidance, objective, network)


def steering(guidance: Guidance, objective: HostObjective, network: Network) -> Steering | None:
    """Guidance by the gradients of `objective`, None without strength."""
    if not guidance.strength:
        return None
    if network.noise_scale != 1.0:
        raise ValueError(
            f"guidance given for a model whose noise is {network.noise_scale:g} times standard "
            "normal, wanted one of standard normal noise: what guidance moves is reckoned for that."
        )
    return Steering(guidance, HostGradients(objective, network, guidance.fall_back))


def sample_flow(
    model: Any,
    x: Tensor,
    sigmas: Tensor,
    extra_args: dict[str, Any],
    callback: Any = None,
    disable: bool | None = None,
    *,
    kernel: Kernel,
    guide: Guide,
) -> Tensor:
    """The plain sampler: a search of width 1 for each image of the batch."""
    purse, batch = Purse(), MicroBatch(may_split=False)  # masks and conditions belong to rows
    guided = guide.guidance.strength > 0.0
    if guided:
        guide.check()
    network = Network(model, extra_args, purse)
    clock, times = network.clock, check_sigmas(sigmas, network.clock)
    check_stable(kernel, times if times[-1] else times[:-1])
    source = AddressedNoise(
        extra_args.get("seed") or 0, tuple(x.shape[1:]), x.device, images=len(x)
    )
    flow = Flow(
        denoiser=network,
        kernel=kernel,
        times=times[:-1],
        end=times[-1],
        start=lambda ids: clock.inward(x, times[0])[list(ids)],
        noise=network.noise(source),
        uniform=source.uniform,
    )
    task = Task(
        flow,
        purse,
        batch=batch,
        steering=guide.steering(network, purse, batch) if guided else None,
        counts_itself=True,
        on_call=stop_if_interrupted,
    )
    logged: set[str] = set()
    for i, particles in enumerate(task.walk(task.born(len(x), score=False), score=False)):
        if callback is not None:
            sigma, y = sigmas[i], clock.outward(particles.x, times[i])
            shown = {"x": y, "denoised": particles.x0, "sigma_hat": sigma}
            with aside("show a step of the sampler", logged):
                callback(shown | {"i": i, "sigma": sigma})
    return clock.outward(task.land(particles), flow.end)


class FlowSampler(KSAMPLER):
    """The host's SAMPLER that also carries a search's kernel, its guidance and its settings."""

    def __init__(self, kernel: Kernel, guide: Guide, settings: dict[str, Any]) -> None:
        super().__init__(sample_flow, {"kernel": kernel, "guide": guide})
        self.kernel, self.guidance, self.settings = kernel, guide.guidance, settings

    @property
    def stochastic(self) -> bool:
        return self.settings["diffusion_norm"] > 0.0


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


def check_stable(kernel: Kernel, times: Sequence[float]) -> None:
    """Refuse a diffusion_norm with which steps over these times, all above 0, would explode."""
    if not isinstance(kernel, ChangePath):  # glass draws from the model's own law
        return
    step, diffusion = kernel.kernel, kernel.kernel.diffusion

    def kernel_of(norm: float) -> Kernel:
        return replace(kernel, kernel=replace(step, diffusion=replace(diffusion, norm=norm)))

    largest = largest_norm(kernel_of, diffusion.norm, times)
    if largest < diffusion.norm:
        name = next(name for name, cls in KERNELS.items() if isinstance(step, cls))
        raise ValueError(
            f"The kernel {name} explodes with diffusion {diffusion.shape} on these sigmas: got "
            f"diffusion_norm {diffusion.norm:g}, expected at most {largest:g}. Use that norm, or "
            "the kernel eta."
        )


def kernel_of(sampler: Any) -> FlowSampler:
    """The sampler if it is ours; a clear error naming it otherwise."""
    if isinstance(sampler, FlowSampler):
        return sampler
    function = getattr(sampler, "sampler_function", None)
    name = function.__name__ if function else type(sampler).__name__
    raise ValueError(
        f"sampler {name} given, wanted the VP-SDE Flow Sampler node: a search needs its "
        "stochastic step to branch."
    )
