"""The kernel of a search as the host's SAMPLER, which also runs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from comfy.samplers import KSAMPLER
from torch import Tensor

from ...samplers.batching import MicroBatch
from ...samplers.change_path import ChangePath
from ...samplers.flow import Flow
from ...samplers.guidance import Guidance
from ...samplers.kernels import KERNELS
from ...samplers.noise import AddressedNoise
from ...samplers.purse import Purse
from ...samplers.stability import largest_norm
from ...samplers.steering import Steering
from ...samplers.task import Task
from ...samplers.types import Kernel
from .gradient import HostGradients, check_gradient
from .guard import guard
from .network import Network, check_sigmas, stop_if_interrupted
from .objective import HostObjective
from .reward import HostReward

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
        start=lambda ids: clock.to_search(x, times[0])[list(ids)],
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
            sigma, y = sigmas[i], clock.to_host(particles.x, times[i])
            shown = {"x": y, "denoised": particles.x0, "sigma_hat": sigma}
            with guard("show a step of the sampler", logged):
                callback(shown | {"i": i, "sigma": sigma})
    return clock.to_host(task.land(particles), flow.end)


class FlowSampler(KSAMPLER):
    """The host's SAMPLER that also carries a search's kernel, its guidance and its settings."""

    def __init__(self, kernel: Kernel, guide: Guide, settings: dict[str, Any]) -> None:
        super().__init__(sample_flow, {"kernel": kernel, "guide": guide})
        self.kernel, self.guidance, self.settings = kernel, guide.guidance, settings

    @property
    def stochastic(self) -> bool:
        return self.settings["diffusion_norm"] > 0.0


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
