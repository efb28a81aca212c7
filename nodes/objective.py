"""x0 -> picture -> score inside a search, with the network kept in memory."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
import torch
from torch import Tensor

from ..samplers.ledger import Ledger
from .reward import HostReward


def decode(vae: Any, base: Any, x0: Tensor) -> Tensor:
    """Model-space latents (K,C,H,W) or (K,C,T,H,W) -> pictures (K,H,W,3) or (K,T,H,W,3)."""
    return vae.decode(base.process_latent_out(x0))


def score(reward: HostReward, images: Tensor, prompt: str) -> Tensor:
    """(K,) scores of pictures; a clip scores the mean of its frames."""
    if images.ndim == 5:
        clips, frames = images.shape[:2]
        return score(reward, images.flatten(0, 1), prompt).view(clips, frames).mean(1)
    return reward.score(images, prompt)


class HostObjective:
    """The objective of a search: decodes with `vae`, scores, and remembers the best picture.

    A decode or a reward may make the host unload the network, and with it LoRA and ModelSampling
    patches, without a word. So what was loaded when the search began is loaded again after each
    round (free when nothing moved). At most `ROWS` pictures are decoded and scored at once.
    """

    ROWS = 8

    def __init__(
        self, vae: Any, reward: HostReward, prompt: str, base: Any, ledger: Ledger
    ) -> None:
        self.vae, self.reward, self.prompt = vae, reward, prompt
        self.base, self.ledger = base, ledger
        self.keep = mm.loaded_models(only_currently_used=True)
        self.picture: Tensor | None = None  # of the best row of the last call, batch axis kept

    def __call__(self, x0: Tensor) -> Tensor:
        rewards: list[Tensor] = []
        self.picture, best = None, -torch.inf
        try:
            for rows in x0.split(self.ROWS):
                images = self.decode(rows)
                with self.ledger.timed("reward"):
                    rewards.append(score(self.reward, images, self.prompt))
                self.ledger.rewards += len(rows)
                first = int(rewards[-1].argmax())
                if self.picture is None or float(rewards[-1][first]) > best:
                    self.picture, best = images[first : first + 1], float(rewards[-1][first])
        finally:
            self.restore(x0)
        return torch.cat(rewards)

    def decode(self, x0: Tensor) -> Tensor:
        """Pictures of x0, charged."""
        with self.ledger.timed("decode"):
            images = decode(self.vae, self.base, x0)
        self.ledger.decodes += len(x0)
        return images

    def restore(self, x0: Tensor) -> None:
        """Bring the network back, with room for the activations of a call on x0 with CFG."""
        need = self.base.memory_required([2 * len(x0), *x0.shape[1:]])
        mm.load_models_gpu(self.keep, memory_required=need)
