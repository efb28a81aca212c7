"""Scores of latents, and the reasons why some have none."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .types import Objective


def judge(
    objective: Objective, clean: Tensor, ids: Sequence[int], failed: dict[int, str]
) -> Tensor:
    """Score clean latents; where one fails, keep the reason.

    Reasons: "network" if the latent is not finite; "decode" if the objective answers -inf, which
    means that there is no image; "reward" if the score is nan or +inf.

    Args:
        objective: called once, with the finite rows only.
        clean: (K,*D).
        ids: of the particles.
        failed: reasons by id. An id that is already there keeps its reason.

    Returns:
        (K,) float64 on the CPU, -inf where a particle has failed.

    Raises:
        ValueError: the objective does not answer with one score for each row.
    """
    rewards = [-math.inf] * len(ids)
    causes = ["network"] * len(ids)
    finite = clean.flatten(1).isfinite().all(1).nonzero().flatten().tolist()
    if finite:
        scores = objective(clean[finite]).detach().cpu().double()
        if scores.shape != (len(finite),):
            raise ValueError(
                "The objective returned scores of the wrong shape: got "
                f"{tuple(scores.shape)}, expected ({len(finite)},)."
            )
        for i, score in zip(finite, scores.tolist(), strict=True):
            rewards[i] = score if math.isfinite(score) else -math.inf
            causes[i] = "decode" if score == -math.inf else "reward"
    for particle, reward, cause in zip(ids, rewards, causes, strict=True):
        if reward == -math.inf:
            failed.setdefault(particle, cause)
    return torch.tensor(rewards, dtype=torch.float64)
