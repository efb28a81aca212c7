"""x0 -> picture -> score inside a search, with the network kept in memory."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
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
    """The objective of a search: decodes with `vae`, scores, and remembers the last pictures.

    A decode or a reward may make the host unload the network, and with it LoRA and ModelSampling
    patches, without a word. So what was loaded when the search began is loaded again after each
    round (free when nothing moved).
    """

    def __init__(
        self, vae: Any, reward: HostReward, prompt: str, base: Any, ledger: Ledger
    ) -> None:
        self.vae, self.reward, self.prompt = vae, reward, prompt
        self.base, self.ledger = base, ledger
        self.keep = mm.loaded_models(only_currently_used=True)
        self.images: Tensor | None = None

    def __call__(self, x0: Tensor) -> Tensor:
        try:
            with self.ledger.timed("decode"):
                self.images = decode(self.vae, self.base, x0)
            self.ledger.decodes += len(x0)
            with self.ledger.timed("reward"):
                rewards = score(self.reward, self.images, self.prompt)
            self.ledger.rewards += len(x0)
        finally:
            mm.load_models_gpu(self.keep)
        return rewards
