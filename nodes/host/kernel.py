"""The kernel of a search as the host's SAMPLER, which also runs alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from comfy.samplers import KSAMPLER
from torch import Tensor

from ...samplers.batching import MicroBatch
from ...samplers.flow import Flow
from ...samplers.guidance import Guidance
from ...samplers.kernels.settings import KernelSettings
from ...samplers.noise import AddressedNoise
from ...samplers.purse import Purse
from ...samplers.steering import Steering
from ...samplers.task import Task
from .cancel import stop_if_interrupted
from .clock import check_start
from .frames import to_frames, to_videos
from .gradient import HostGradients, check_gradient
from .guard import guard
from .input_checks import check_sigmas
from .network import Network
from .objective import HostObjective
from .reward import HostReward


@dataclass(frozen=True)
class Guide:
    """Guidance of the sampler when it runs alone.

    Args:
        guidance: how far steps move.
        reward, vae: what guidance follows, None where not connected.
        prompt: for the reward.
    """

    guidance: Guidance
    reward: HostReward | None
    vae: Any
    prompt: str

    @property
    def active(self) -> bool:
        return self.guidance.strength > 0.0

    def check(self) -> None:
        """Refuse, before any compute, a reward that guidance cannot follow."""
        if self.reward is None or self.vae is None:
            missing = [f"no {n}" for n in ("reward", "vae") if getattr(self, n) is None]
            raise ValueError(
                f"Guidance outside a search lacks inputs: got {' and '.join(missing)}, expected "
                "both reward and vae. Connect them to the VP-SDE Flow Sampler."
            )
        check_gradient(self.guidance, self.reward)
        self.reward.check(self.prompt)

    def steering(self, network: Network, purse: Purse, batch: MicroBatch) -> Steering | None:
        """Steering by the node's own reward; None without strength.

        Args:
            network: the model of the host.
            purse: counts what gradients cost.
            batch: how many rows are decoded at once.
        """
        if not self.active:
            return None
        reward = self.reward.fresh()
        objective = HostObjective(self.vae, reward, self.prompt, network, purse, batch)
        return steering(self.guidance, objective, network)


def steering(guidance: Guidance, objective: HostObjective, network: Network) -> Steering | None:
    """Steering by the gradients of an objective; None without strength.

    Args:
        guidance: how far steps move.
        objective: decodes and scores.
        network: the model of the host.

    Raises:
        ValueError: the model's noise is not standard normal.
    """
    if not guidance.strength:
        return None
    if network.noise_scale != 1.0:
        raise ValueError(
            "Guidance needs a model of standard normal noise: got a noise scale of "
            f"{network.noise_scale:g}, expected 1. Turn guidance off."
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
    kernel: KernelSettings,
    guide: Guide,
) -> Tensor:
    """The plain sampler: a search of width 1 for each image of the batch.

    Args:
        model, x, sigmas, extra_args, callback, disable: as the host gives them to a sampler.
        kernel: the settings of the kernel.
        guide: guidance of the steps.

    Returns:
        The latents at the last sigma, of the shape of x.
    """
    if guide.active:
        guide.check()
    network = Network(model, extra_args, Purse())
    x = to_videos(network.base, x)
    times = check_sigmas(sigmas, network.clock)
    check_start(float(sigmas[0]), network.clock, model.latent_image)
    kernel.check(times if times[-1] else times[:-1])
    task = _plain_task(network, x, times, kernel, guide)
    logged: set[str] = set()
    for i, particles in enumerate(task.walk(task.born(len(x), score=False), score=False)):
        if callback is not None:
            y = network.clock.to_host(particles.x, times[i])
            step = {"i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i]}
            with guard("show a step of the sampler", logged):
                latents = {"x": y, "denoised": particles.x0}
                callback(step | {k: to_frames(network.base, v) for k, v in latents.items()})
    return to_frames(network.base, network.clock.to_host(task.land(particles), task.flow.end))


def _plain_task(
    network: Network, x: Tensor, times: list[float], kernel: KernelSettings, guide: Guide
) -> Task:
    """The task whose particles are the images of the batch x."""
    purse, batch = network.purse, MicroBatch(may_split=False)  # masks and conditions are of rows
    source = AddressedNoise(
        network.extra_args.get("seed") or 0, tuple(x.shape[1:]), x.device, images=len(x)
    )
    flow = Flow(
        denoiser=network,
        kernel=kernel.build(),
        times=times[:-1],
        end=times[-1],
        start=lambda ids: network.clock.to_search(x, times[0])[list(ids)],
        noise=network.noise(source),
        uniform=source.uniform,
    )
    return Task(
        flow,
        purse,
        batch=batch,
        steering=guide.steering(network, purse, batch),
        counts_itself=True,
        on_call=stop_if_interrupted,
    )


class FlowSampler(KSAMPLER):
    """The host's SAMPLER, which also carries the kernel and the guidance of a search.

    Args:
        kernel_settings: an entry of the registry of kernels.
        guide: guidance of the steps.
        settings: the report entries of the node.
    """

    def __init__(
        self, kernel_settings: KernelSettings, guide: Guide, settings: dict[str, Any]
    ) -> None:
        super().__init__(sample_flow, {"kernel": kernel_settings, "guide": guide})
        self.kernel_settings, self.kernel = kernel_settings, kernel_settings.build()
        self.guidance, self.settings = guide.guidance, settings

    @property
    def stochastic(self) -> bool:
        """Whether a step draws noise."""
        return self.kernel_settings.stochastic
