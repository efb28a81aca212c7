"""What latents are worth, and what is kept of those that are worth nothing."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .types import Objective


def judged(
    objective: Objective, clean: Tensor, ids: Sequence[int], failed: dict[int, str]
) -> Tensor:
    """(K,) float64 on the CPU, of clean latents (K,*D); -inf where a particle has failed.

    Why it did is put into `failed` by its id, unless that is known: the latent is not finite
    ("network"), the objective answers -inf where it gave no picture ("decode"), nan where the
    reward failed ("reward").
    """
    reward = torch.full((len(ids),), -torch.inf, dtype=torch.float64)
    cause = ["network"] * len(ids)
    sound = clean.flatten(1).isfinite().all(1).cpu()
    if sound.any():
        scores = objective(clean[sound.to(clean.device)]).detach().cpu().double()
        if scores.shape != (int(sound.sum()),):
            raise ValueError(
                f"objective returned shape {tuple(scores.shape)}, wanted ({int(sound.sum())},)."
            )
        reward[sound] = torch.where(scores.isfinite(), scores, -torch.inf)
        for i, value in zip(sound.nonzero().flatten().tolist(), scores.tolist(), strict=True):
            cause[i] = "decode" if value == -math.inf else "reward"
    for i in (reward == -torch.inf).nonzero().flatten().tolist():
        failed.setdefault(ids[i], cause[i])
    return reward
