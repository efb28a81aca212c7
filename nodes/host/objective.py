"""x0 -> image -> score inside a search, with the network kept in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...samplers.batching import MicroBatch
from ...samplers.purse import Purse
from .decode import decode
from .guard import guard
from .image_bytes import shrink
from .network import Network
from .reward import HostReward


def score(reward: HostReward, images: Tensor, prompt: str) -> Tensor:
    """Scores (K,) by a reward.

    Args:
        reward: what scores.
        images: images (K,H,W,3) or videos (K,T,H,W,3).
        prompt: what they are compared with.

    Raises:
        ValueError: the reward gave another number of scores.
    """
    scores = reward.score(images, prompt)
    if scores.shape != (len(images),):
        raise ValueError(
            f"The reward returned the wrong shape: got {tuple(scores.shape)}, expected "
            f"({len(images)},)."
        )
    return scores


@dataclass(frozen=True)
class Images:
    """What an objective keeps of its last call, by row of that call, best first.

    Rows with equal scores are in their order. A row without a score is not kept.

    Args:
        whole: images (1,H,W,3) or videos (1,T,H,W,3).
        small: the same shrunk, for the panel: (1,h,w,3) or (t,h,w,3) as bytes.
    """

    whole: Mapping[int, Tensor] = field(default_factory=dict)
    small: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def best(self) -> Tensor | None:
        """The best of the call."""
        return next(iter(self.whole.values()), None)


class HostObjective:
    """The objective of a search: decodes with `vae`, scores, and remembers the best images.

    A decode or a reward may make the host unload the network, with its LoRA and ModelSampling
    patches. So what was loaded when the search began is loaded again after each round. That is free
    where nothing moved.

    All images of a round are decoded before they are scored, so that decoder and reward take turns
    once. `HELD` bytes limit how many; `ROWS` are decoded at once. The amount of free memory decides
    nothing: the same seed gives the same result. If the micro-batch is set, it
    limits decoder and reward, too. With one row a call a particle does not depend on those beside
    it, so a search has the same bits with workers and without.

    Args:
        vae: the host's decoder.
        reward: scores the images.
        prompt: what the reward compares them with.
        network: kept in memory.
        purse: pays for decodes and scores.
        batch: rows of one network call, for which memory is freed.
        remember: images kept of each call, at most HELD bytes of them.
    """

    ROWS, HELD = 8, 1 << 30
    SMALL = 16

    def __init__(
        self,
        vae: Any,
        reward: HostReward,
        prompt: str,
        network: Network,
        purse: Purse,
        batch: MicroBatch,
        remember: int = 1,
    ) -> None:
        self.vae, self.reward, self.prompt = vae, reward, prompt
        self.network, self.purse, self.batch = network, purse, batch
        self.remember = remember
        self.images = Images()
        self.latents = torch.empty(0)  # x0 of the last call, whose rows `images` are of
        self.size = 0  # bytes of one image or video; 0: not measured yet
        self.logged: set[str] = set()

    @property
    def held(self) -> int:
        """Images or videos that HELD bytes hold."""
        return max(1, self.HELD // max(1, self.size))

    @property
    def at_once(self) -> int:
        """Images or videos decoded together."""
        return min(self.batch.fixed or self.ROWS, self.held)

    @property
    def kept(self) -> int:
        """Images or videos remembered."""
        return min(self.remember, self.held)

    def together(self, x0: Tensor) -> int:
        """How many images or videos of `x0` are scored together."""
        if self.network.pictures(x0[:1]).ndim == 5:
            return self.at_once
        return self.held if self.size else max(self.ROWS, self.reward.at_once)

    def measure(self, image: Tensor) -> None:
        """Learn the size of one image or video (1,…)."""
        self.size = image.nbytes

    def __call__(self, x0: Tensor) -> Tensor:
        """Scores (K,) of x0 (K,*D): nan where the reward gave none, -inf for an image with NaN."""
        scores = torch.empty(0, dtype=torch.float64)
        self.forget()
        self.latents = x0
        if self.network.pictures(x0[:1]).ndim == 5:
            self.size = self.size or self.HELD
        while (first := len(scores)) < len(x0):
            images = self.decode(x0[first : first + self.together(x0)])
            scores = torch.cat([scores, self.judge(images)])
            self._remember(images, scores.tolist())
        self.restore(x0)
        return scores

    def forget(self) -> None:
        """Drop the images of the last call."""
        self.images = Images()

    def _remember(self, images: Tensor, scores: list[float]) -> None:
        """Keep the best images of all rows so far; `images` are those of the last rows."""
        first, whole, small = len(scores) - len(images), self.images.whole, self.images.small
        finite = [row for row, worth in enumerate(scores) if math.isfinite(worth)]
        order = sorted(finite, key=lambda row: -scores[row])
        with guard("make small images for the panel", self.logged):
            small = {
                row: small[row] if row < first else shrink(images[row - first])
                for row in order[: self.SMALL]
            }
        whole = {
            row: whole[row] if row < first else images[row - first][None].clone()
            for row in order[: self.kept]
        }
        self.images = Images(whole, small)

    def decode(self, x0: Tensor) -> Tensor:
        """Images (K,H,W,3) or videos (K,T,H,W,3) of x0, paid."""
        with self.purse.timed("decode"):
            parts = [self.images_of(part) for part in x0.split(self.at_once)]
        images = torch.cat(parts)
        self.charge(images)
        self.measure(images[:1])
        return images

    def images_of(self, x0: Tensor) -> Tensor:
        """Images (K,H,W,3) or videos (K,T,H,W,3) of x0, not paid."""
        return decode(self.vae, self.network.base, self.network.pictures(x0))

    def charge(self, images: Tensor) -> None:
        """Book decoded images (K,H,W,3) or videos (K,T,H,W,3)."""
        self.purse.counts["decodes"] += len(images)
        self.purse.counts["frames"] += images.shape[:-3].numel()

    def judge(self, images: Tensor) -> Tensor:
        """Scores (K,) of images or videos as in a call, float64 on the CPU, paid."""
        scores = torch.full((len(images),), -torch.inf, dtype=torch.float64)
        finite = images.isfinite().flatten(1).all(1).cpu()
        count = int(finite.sum())
        if count:
            rows = images if count == len(images) else images[finite.to(images.device)]
            with self.purse.timed("reward"):
                parts = [self.rewards_of(part) for part in rows.split(self.scored_at_once(count))]
            rewards = torch.cat(parts)
            scores[finite] = torch.where(rewards.isfinite(), rewards, torch.nan)
            self.purse.counts["rewards"] += count
        return scores

    def scored_at_once(self, count: int) -> int:
        """How many of `count` images the reward scores in one call.

        A server gets all, to work on them side by side. So does a reward that still learns: it
        compares the images of a call.
        """
        rows = self.batch.fixed
        if not rows or self.reward.at_once > self.ROWS or self.reward.learned is None:
            return count
        return rows

    def rewards_of(self, images: Tensor) -> Tensor:
        """Rewards (K,) of images or videos, float64 on the CPU."""
        return score(self.reward, images, self.prompt).cpu().double()

    def blame(self, x0: Tensor) -> Tensor | None:
        """Where a latent x0 (1,*D) is wrong: (1,*S) in [0, 1] on its axes in space and time.

        None if the reward does not know. An image that is not remembered is decoded and charged.
        """
        if not self.reward.blames:
            return None
        whole = self.images.whole
        rows = [row for row in whole if torch.equal(self.latents[row], x0[0])]
        images = whole[rows[0]] if rows else self.decode(x0)
        with self.purse.timed("reward"):
            blame = self.reward.blame(images, self.prompt)
        self.restore(x0)
        cells = self.network.pictures(x0).shape[2:]
        return interpolate(blame[:, None].float(), cells, mode="area")[:, 0].cpu()

    def restore(self, x0: Tensor, times: int = 1) -> None:
        """Load the network again, with memory for a call on the rows of x0 that go together.

        Args:
            x0: (K,*D).
            times: how often the memory of a call is needed.
        """
        self.network.load(x0, self.batch.share(min(len(x0), self.batch.size)), times)
