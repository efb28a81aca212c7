"""Any SAMPLER of the host, for searches that need whole trajectories only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from comfy.samplers import sampler_object
from torch import Tensor

from ...samplers.guidance import Guidance, Unguided
from ...samplers.interpolants.linear import Linear
from ...samplers.ode import ODE
from ...samplers.trajectories import Pay
from ...samplers.types import Kernel
from .clock import noisy
from .experts import Experts, options_for
from .frames import to_frames, to_videos
from .network import Network
from .own_run import own_run
from .packed import shapes_of

FLOW_SAMPLER = "VP-SDE Flow Sampler"  # which a report does not name


@dataclass(frozen=True)
class AnySampler:
    """A SAMPLER of the host in the place of a `FlowSampler`. It cannot branch.

    Args:
        sampler: the host's, or another pack's.
    """

    sampler: Any

    kernel: ClassVar[Kernel] = ODE(Linear())  # of the flow that has the times: no step is taken
    guidance: ClassVar[Guidance] = Unguided()
    stochastic: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """As KSamplerSelect lists it, where its function tells."""
        function = getattr(self.sampler, "sampler_function", None)
        name = getattr(function, "__name__", type(self.sampler).__name__)
        return name.removeprefix("sample_").removesuffix("_function")

    @property
    def settings(self) -> dict[str, Any]:
        """Report entries: the name, and those options that JSON can hold."""
        options = {
            key: value
            for kind in ("extra_options", "inpaint_options")
            for key, value in getattr(self.sampler, kind, {}).items()
            if type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
        }
        return {"sampler": self.name, "sampler_options": options}


class HostTrajectory:
    """A whole trajectory by a SAMPLER, as in the host's own run with that noise and seed.

    Args:
        sampler: the host's.
        network: of the guider's model.
        sigmas: the schedule, as the host gives it.
        seed: id of a start -> seed of the noise that the sampler draws from there.
        experts: both networks of a search with two; None: there is one.
    """

    def __init__(
        self,
        sampler: Any,
        network: Network,
        sigmas: Tensor,
        seed: Callable[[int], int],
        experts: Experts | None = None,
    ) -> None:
        self.sampler, self.network, self.sigmas, self.seed = sampler, network, sigmas, seed
        self.experts = experts
        self.networks = [experts.high, experts.low] if experts else [network]

    def __call__(self, x: Tensor, root: int, pay: Pay) -> Tensor:
        """The clean latent (1,*D). Args: as of `samplers.trajectories.Trajectory`."""
        network, seed = self.network, self.seed(root)
        for each in self.networks:
            each.check_changed()
        noise = self._noise(network.clock.to_host(x, network.clock.time(float(self.sigmas[0]))))
        noise, latent = (to_frames(network.base, v) for v in (noise, network.model.latent_image))
        mask = network.extra_args.get("denoise_mask")
        mask = None if mask is None else to_frames(network.base, mask)
        sigmas = self.sigmas.clone()  # uni_pc writes into them (comfy/extra_samplers/uni_pc.py:850)

        def step(*args: Any) -> None:
            """The host's callback."""

        def walk(options: dict[str, Any]) -> Tensor:
            extra_args = {"model_options": options, "seed": seed}
            paid = PaidGuider(network, pay, self.experts)
            return self.sampler.sample(paid, sigmas, extra_args, step, noise, latent, mask, True)

        run = noise, latent, self.sampler, sigmas, mask, step, True, seed
        options = network.extra_args["model_options"]
        with seeded(seed, noise):
            guider = network.model.inner_model
            clean = own_run(guider, options, run, shapes_of(guider), walk)
        return to_videos(network.base, clean)

    def beginning(self, steps: int) -> HostTrajectory:
        """Euler's first steps from the same starts."""
        sigmas = self.sigmas[: steps + 1]
        euler = sampler_object("euler")
        return HostTrajectory(euler, self.network, sigmas, self.seed, self.experts)

    def _noise(self, y: Tensor) -> Tensor:
        """The noise from which the host makes the latents y at the first sigma."""
        model, sigma = self.network.model, float(self.sigmas[0])
        mean = noisy(model, sigma, torch.zeros_like(y), model.latent_image)
        return (y - mean) / noisy(model, sigma, y.new_ones(()), y.new_zeros(()))


class PaidGuider:
    """The guider as a sampler sees it. Each call is paid and checked.

    Args:
        network: of the guider's model.
        pay: pays a call.
        experts: both networks of a search with two; None: there is one.
    """

    def __init__(self, network: Network, pay: Pay, experts: Experts | None = None) -> None:
        self.guider, self.network, self.pay = network.model.inner_model, network, pay
        self.experts = experts

    def __call__(self, y: Tensor, sigma: Tensor, **options: Any) -> Tensor:
        t = self.network.clock.time(float(sigma.flatten()[0]))
        network = self.experts.at(t) if self.experts else self.network
        if network is not self.network:
            options = options_for(network, options, self.network.extra_args["model_options"])
        guider, base, x = network.model.inner_model, network.base, to_videos(network.base, y)

        def ask() -> Tensor:
            with network.purse.spent_by(network.name):
                return network.answer(lambda: to_videos(base, guider(y, sigma, **options)), x, t)

        return to_frames(base, self.pay(len(x), ask))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.guider, name)


@contextmanager
def seeded(seed: int, noise: Tensor) -> Iterator[None]:
    """The global generators as they are in the host's own run, which draws its noise from them."""
    devices = [noise.device] if noise.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        torch.randn(noise.shape)
        yield
