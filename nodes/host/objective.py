"""x0 -> picture -> score inside a search, with the network kept in memory."""

from __future__ import annotations

import math
from typing import Any

import comfy.model_management as mm
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...samplers.batching import MicroBatch
from ...samplers.purse import Purse
from .aside import aside
from .decode import decode
from .network import Network, in_use
from .pictures import shrink
from .reward import HostReward


def score(reward: HostReward, images: Tensor, prompt: str) -> Tensor:
    """(K,) scores of pictures or clips."""
    scores = reward.score(images, prompt)
    if scores.shape != (len(images),):
        raise ValueError(
            f"scores of shape {tuple(scores.shape)} given by the reward, wanted ({len(images)},)."
        )
    return scores


class HostObjective:
    """The objective of a search: decodes with `vae`, scores, and remembers the best pictures.

    A decode or a reward may make the host unload the network, and with it LoRA and ModelSampling
    patches, without a word. So what was loaded when the search began is loaded again after each
    round (free when nothing moved). A round's pictures are all decoded before they are scored, so
    that decoder and reward take turns once: as many as `HELD` bytes hold, decoded `ROWS` at once;
    before their size is known `ROWS`, or what a reward that runs elsewhere wants. Clips are decoded
    and scored as many together as `HELD` bytes hold, the first of all alone. Never what happens to
    be free: so that a seed is a result.

    `pictures` are the best `remember` of the last call by their row in it, best first and of equals
    the first, no more than `HELD` bytes hold: (1,H,W,3) or (1,T,H,W,3). A row without a score has
    none. `small` are the best `SMALL` of them shrunk, for whoever watches the search.
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
        self.keep = in_use()
        self.remember = remember
        self.pictures: dict[int, Tensor] = {}
        self.latents = torch.empty(0)  # of the last call, whose rows `pictures` are
        self.small: dict[int, Tensor] = {}
        self.size = 0  # bytes of one picture or clip, where known
        self.logged: set[str] = set()

    @property
    def held(self) -> int:
        """Pictures or clips that may be held."""
        return max(1, self.HELD // max(1, self.size))

    @property
    def at_once(self) -> int:
        """Pictures or clips decoded together."""
        return min(self.ROWS, self.held)

    @property
    def kept(self) -> int:
        """Pictures or clips remembered."""
        return min(self.remember, self.held)

    def together(self, x0: Tensor) -> int:
        """Pictures or clips of `x0` scored together."""
        if x0.ndim == 5:
            return self.at_once
        return self.held if self.size else max(self.ROWS, self.reward.at_once)

    def measure(self, picture: Tensor) -> None:
        """Learn the size of the pictures (1,…) from one of them."""
        self.size = picture.nbytes

    @property
    def picture(self) -> Tensor | None:
        """The best of the last call."""
        return next(iter(self.pictures.values()), None)

    def __call__(self, x0: Tensor) -> Tensor:
        """(K,) scores: nan where the reward gave none, -inf where the picture is not finite."""
        scores = torch.empty(0, dtype=torch.float64)
        self.forget()
        self.latents = x0
        if x0.ndim == 5:
            self.size = self.size or self.HELD
        while (first := len(scores)) < len(x0):
            images = self.decode(x0[first : first + self.together(x0)])
            scores = torch.cat([scores, self.judge(images)])
            self._remember(images, scores.tolist())
        self.restore(x0)
        return scores

    def forget(self) -> None:
        self.pictures, self.small = {}, {}

    def _remember(self, images: Tensor, scores: list[float]) -> None:
        """Keep the best pictures by the scores of all rows so far, `images` being the last rows."""
        first = len(scores) - len(images)
        sound = [row for row, worth in enumerate(scores) if math.isfinite(worth)]
        order = sorted(sound, key=lambda row: -scores[row])
        best = order[: self.kept]
        with aside("make small pictures for the panel", self.logged):
            self.small = {
                row: self.small[row] if row < first else shrink(images[row - first])
                for row in order[: self.SMALL]
            }
        self.pictures = {
            row: self.pictures[row] if row < first else images[row - first][None].clone()
            for row in best
        }

    def decode(self, x0: Tensor) -> Tensor:
        """Pictures of x0, charged."""
        with self.purse.timed("decode"):
            parts = [decode(self.vae, self.network.base, part) for part in x0.split(self.at_once)]
        images = torch.cat(parts)
        self.charge(images)
        self.measure(images[:1])
        return images

    def charge(self, images: Tensor) -> None:
        """Book pictures (K,H,W,3) or clips (K,T,H,W,3) that were decoded."""
        self.purse.counts["decodes"] += len(images)
        self.purse.counts["frames"] += images.shape[:-3].numel()

    def judge(self, images: Tensor) -> Tensor:
        """(K,) scores of pictures or clips as a call gives them, float64 on the CPU, charged."""
        scores = torch.full((len(images),), -torch.inf, dtype=torch.float64)
        sound = images.isfinite().flatten(1).all(1).cpu()
        count = int(sound.sum())
        if count:
            finite = images if count == len(images) else images[sound.to(images.device)]
            with self.purse.timed("reward"):
                given = score(self.reward, finite, self.prompt).cpu().double()
            scores[sound] = torch.where(given.isfinite(), given, torch.nan)
            self.purse.counts["rewards"] += count
        return scores

    def blame(self, x0: Tensor) -> Tensor | None:
        """Where a latent x0 (1,*D) is wrong, (1,*S) in [0, 1] on its axes in space and time; None
        if the reward does not know. Unless its picture is remembered, it is decoded, charged."""
        if not self.reward.blames:
            return None
        rows = [row for row in self.pictures if torch.equal(self.latents[row], x0[0])]
        images = self.pictures[rows[0]] if rows else self.decode(x0)
        with self.purse.timed("reward"):
            found = self.reward.blame(images, self.prompt)
        self.restore(x0)
        return interpolate(found[:, None].float(), x0.shape[2:], mode="area")[:, 0].cpu()

    def restore(self, x0: Tensor, times: int = 1) -> None:
        """Bring the network back, with room for a call on as many rows of x0 as go in one, `times`
        over.

        The least is room for a single particle: asking for more than the device has would make the
        host keep part of the network's weights off it.
        """
        least = times * self.network.memory(x0.shape[1:])
        room = least * min(len(x0), self.batch.size)
        mm.load_models_gpu(self.keep, memory_required=room, minimum_memory_required=least)
