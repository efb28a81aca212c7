"""VP-SDE Flow Sampler: a SAMPLER for flow models, alone or as the kernel of a search."""

from __future__ import annotations

from typing import Any

from comfy.samplers import KSAMPLER
from comfy_api.latest import io
from torch import Tensor

from ..samplers.batching import MicroBatch
from ..samplers.change_path import ChangePath
from ..samplers.diffusions import SHAPES, Diffusion
from ..samplers.glass import Glass
from ..samplers.interpolants import INTERPOLANTS
from ..samplers.interpolants.linear import Linear
from ..samplers.kernels import KERNELS
from ..samplers.ledger import Ledger
from ..samplers.noise import AddressedNoise
from ..samplers.problem import Problem
from ..samplers.search.best_of_n import walk
from ..samplers.types import Kernel
from .flow import Network, check_sigmas, stop_if_interrupted
from .schema import CATEGORY, build, combo, flat

GLASS = "glass"


def sample_flow(
    model: Any,
    x: Tensor,
    sigmas: Tensor,
    extra_args: dict[str, Any],
    callback: Any = None,
    disable: bool | None = None,
    *,
    kernel: Kernel,
) -> Tensor:
    """The plain sampler: a search of width 1 for each image of the batch."""
    ledger = Ledger()
    network = Network(model, extra_args, ledger)
    clock, times = network.clock, check_sigmas(sigmas, network.clock)
    source = AddressedNoise(
        extra_args.get("seed") or 0, tuple(x.shape[1:]), x.device, images=len(x)
    )
    problem = Problem(
        denoiser=network,
        kernel=kernel,
        times=times[:-1],
        end=times[-1],
        start=lambda ids: clock.inward(x, times[0])[list(ids)],
        noise=network.noise(source),
        uniform=source.uniform,
        ledger=ledger,
        batch=MicroBatch(may_split=False),  # masks and conditions of a batch belong to its rows
        counts_itself=True,
        after_call=stop_if_interrupted,
    )
    for i, particles in enumerate(walk(problem, problem.born(len(x), score=False), score=False)):
        if callback is not None:
            sigma, y = sigmas[i], clock.outward(particles.x, times[i])
            shown = {"x": y, "denoised": particles.x0, "sigma_hat": sigma}
            callback(shown | {"i": i, "sigma": sigma})
    return clock.outward(problem.land(particles), problem.end)


class FlowSampler(KSAMPLER):
    """The host's SAMPLER that also carries a search's kernel and its settings."""

    def __init__(self, kernel: Kernel, settings: dict[str, Any]) -> None:
        super().__init__(sample_flow, {"kernel": kernel})
        self.kernel, self.settings = kernel, settings


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
                    "different particles but less of what was already found. 3 is the paper's.",
                ),
                io.Combo.Input(
                    "kernel",
                    options=[*KERNELS, GLASS],
                    default="euler_maruyama",
                    tooltip="Formula of one step. Euler–Maruyama is the paper's; eta keeps the "
                    "noise level exact, which is cleaner at few steps. glass draws from the "
                    "model's true transition, for glass_steps NFE each; interpolant, diffusion "
                    "and diffusion_norm do not matter to it.",
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
            ],
            outputs=[io.Sampler.Output()],
        )

    @classmethod
    def execute(
        cls,
        interpolant: dict[str, Any],
        diffusion: str,
        diffusion_norm: float,
        kernel: str,
        glass_steps: int = 3,
    ) -> io.NodeOutput:
        path = build("interpolant", INTERPOLANTS, interpolant)
        settings = flat("interpolant", interpolant["interpolant"], path) | {
            "diffusion": diffusion,
            "diffusion_norm": diffusion_norm,
            "kernel": kernel,
        }
        if kernel == GLASS:
            settings["glass_steps"] = glass_steps
            return io.NodeOutput(FlowSampler(Glass(glass_steps), settings))
        if kernel not in KERNELS:
            known = ", ".join([*KERNELS, GLASS])
            raise ValueError(f"kernel {kernel!r} given, wanted one of {known}.")
        own = KERNELS[kernel](path, Diffusion(diffusion, diffusion_norm))
        return io.NodeOutput(FlowSampler(ChangePath(own, path, Linear()), settings))


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
