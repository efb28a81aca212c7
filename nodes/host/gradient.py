"""Gradients of a reward inside the host.

Reward, decoder and network are differentiated one after the other. Each has its own forward pass,
and its graph is freed before the next. So the memory is that of the largest, and the host may move
models in between.
"""

from __future__ import annotations

import logging

import comfy.model_management as mm
from torch import Tensor

from ...rewards import REWARDS
from ...samplers.guidance import Guidance, pull, unit_jacobian
from .autograd import CopiedWeights, differentiable, recomputed_blocks, torch_attention
from .network import Network, out_of_memory
from .objective import HostObjective, score
from .reward import HostReward

log = logging.getLogger("flow_search")
NO_FORMULA = "no autograd formula was registered"  # torch's words for a fused kernel of the host
ROOM = 3  # forward passes: memory for a gradient that recomputes block by block
GIB = 2**30


class HostGradients:
    """Gradients of the reward at clean latents, and through the network.

    Args:
        objective: decodes and scores.
        network: the model of the host.
        fall_back: whether to go on without the network when memory runs out for it.
    """

    def __init__(self, objective: HostObjective, network: Network, fall_back: bool) -> None:
        self.objective, self.network, self.fall_back = objective, network, fall_back

    def at_x0(self, x0: Tensor) -> Tensor:
        """grad r at clean latents (K,*D); NaN where the image is not finite."""
        try:
            images = self._decode(x0)
            with differentiable():
                cotangent = pull(self._score, images)
            with differentiable(CopiedWeights):
                slope = pull(self._decode, x0, cotangent)
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise self._too_large("decoder and reward", x0, "a smaller image") from None
        self.objective.restore(x0)
        return slope

    def _decode(self, x0: Tensor) -> Tensor:
        """The images of x0, charged. The seconds count as the gradient's."""
        images = self.objective.images_of(x0)
        self.objective.charge(images)
        return images

    def _score(self, images: Tensor) -> Tensor:
        scores = score(self.objective.reward, images, self.objective.prompt)
        if not scores.requires_grad:
            raise ValueError(
                "Guidance needs the reward's gradient: got scores without one, expected scores "
                "with one. Change the settings of the reward, or turn guidance off."
            )
        return scores

    def through_network(self, x: Tensor, t: float, cotangent: Tensor) -> Tensor:
        """J' cotangent, J = d x0_hat/dx at x. Args: as of `samplers.guidance.Gradients`.

        When memory runs out, and `fall_back` allows it, J is that of x0 guidance from then on.
        """
        purse = self.objective.purse
        if not purse.counts["fallbacks"]:
            try:
                return self._pulled(x, t, cotangent)
            except Exception as error:
                out_of_room = self._refused(error, x)
            mm.soft_empty_cache()
            if not self.fall_back:
                raise out_of_room
            log.warning("%s Falling back on x0 guidance.", out_of_room)
        purse.counts["fallbacks"] += len(x)
        return unit_jacobian(t) * cotangent

    def _refused(self, error: Exception, x: Tensor) -> RuntimeError:
        """The error for memory that ran out. Any other error is raised."""
        if NO_FORMULA in str(error):
            raise ValueError(
                f"This network has no gradient: got guidance dps ({error}), expected x0, which "
                "does not differentiate the network."
            ) from None
        if not out_of_memory(error):
            raise error
        return self._too_large("the network", x, "x0 guidance, fall_back on, or a smaller image")

    def _pulled(self, x: Tensor, t: float, cotangent: Tensor) -> Tensor:
        base = self.network.base
        self.objective.restore(x, ROOM)
        options = self.network.extra_args["model_options"]
        network = recomputed_blocks(base.diffusion_model)
        with differentiable(CopiedWeights), network, torch_attention(options):
            return pull(lambda rows: self.network(rows, t), x, cotangent)

    def _too_large(self, part: str, x: Tensor, remedy: str) -> RuntimeError:
        device = mm.get_torch_device()
        free, total = (f(device) / GIB for f in (mm.get_free_memory, mm.get_total_memory))
        return RuntimeError(
            f"Memory ran out for the gradient through {part} at a latent of {tuple(x.shape)}: got "
            f"{free:.1f} of {total:.1f} GiB free, expected more. Use {remedy}."
        )


def check_gradient(guidance: Guidance, reward: HostReward) -> None:
    """Refuse a reward that guidance cannot follow."""
    if guidance.strength and not reward.gradient:
        differentiable_names = ", ".join(name for name, cls in REWARDS.items() if cls.gradient)
        raise ValueError(
            "Guidance needs a reward with a gradient: got "
            f"{reward.settings.get('reward', 'combination')}, expected one of "
            f"{differentiable_names}, or a combination of these alone."
        )
