"""What a search walks on: the flow of a node's model, or the whole trajectories of its sampler."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...samplers.flow import Flow
from ...samplers.noise import AddressedNoise
from ...samplers.trajectories import Trajectory
from ..host.any_sampler import HostTrajectory
from ..host.experts import Experts, experts_of
from ..host.network import Network
from ..host.noise_mask import changing_cells
from .plan import Job, Plan


def noise_of(plan: Plan, job: Job, x: Tensor) -> AddressedNoise:
    """The noise of a search.

    Args:
        plan: of the node.
        job: the search.
        x: (1,*D) what the host gave the sampler.
    """
    return AddressedNoise(plan.inputs.noise.seed, tuple(x.shape[1:]), x.device, job.image)


def flow_of(plan: Plan, job: Job, networks: Mapping[str, Network], x: Tensor) -> Flow:
    """The flow of a search.

    Args:
        plan: of the node.
        job: the search.
        networks: of all models, by the names of their inputs.
        x: (1,*D) what the host gave the sampler.
    """
    network, first, source = networks["model"], plan.times[0], noise_of(plan, job, x)
    lead, inside = plan.way(job)
    return Flow(
        denoiser=experts_of(networks, plan.inputs.boundary),
        kernel=plan.inputs.sampler.kernel,
        times=inside,
        lead=lead,
        end=plan.times[-1],
        centre=network.centre(first),
        start=network.starts(x, first, source),
        noise=network.noise(source),
        uniform=source.uniform,
        changing=changing_cells(network.extra_args.get("denoise_mask"), network.part),
        part=network.part,
        look_denoiser=networks.get("lookahead_model"),
        finish_denoiser=networks.get("finish_model"),
    )


def trajectory_of(plan: Plan, job: Job, networks: Mapping[str, Network], x: Tensor) -> Trajectory:
    """The sampler's whole trajectory. The first start is the host's own run of that seed.

    Args:
        plan: of the node.
        job: the search.
        networks: of all models, by the names of their inputs.
        x: (1,*D) what the host gave the sampler.
    """
    inputs, source = plan.inputs, noise_of(plan, job, x)

    def seed(root: int) -> int:
        return source.sampler_seed(root) if job.image or root else inputs.noise.seed

    network, both = networks["model"], experts_of(networks, inputs.boundary)
    experts = both if isinstance(both, Experts) else None
    sigmas = network.model.sigmas
    return HostTrajectory(inputs.sampler.sampler, network, sigmas, seed, experts)
