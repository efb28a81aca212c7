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
    reward = torch.full((len(ids),), -torch.inf, dtype=torch.float64)
    cause = ["network"] * len(ids)
    finite = clean.flatten(1).isfinite().all(1).cpu()
    if finite.any():
        scores = objective(clean[finite.to(clean.device)]).detach().cpu().double()
        if scores.shape != (int(finite.sum()),):
            raise ValueError(
                "The objective returned scores of the wrong shape: got "
                f"{tuple(scores.shape)}, expected ({int(finite.sum())},)."
            )
        reward[finite] = torch.where(scores.isfinite(), scores, -torch.inf)
        for i, value in zip(finite.nonzero().flatten().tolist(), scores.tolist(), strict=True):
            cause[i] = "decode" if value == -math.inf else "reward"
    for i in (reward == -torch.inf).nonzero().flatten().tolist():
        failed.setdefault(ids[i], cause[i])
    return reward
