"""A linear head that tells two sets of embeddings apart, and how well it does.

With unit embeddings e, targets y = 1 (liked) and -1 (not liked), and c the middle of the two means:

    w = argmin  sum_i s_i (y_i - w (e_i - c))^2 + strength t |w|^2

Each set has half of the weights s, and t is the weighted mean of |e - c|^2. The score is w (e - c),
scaled and moved so that the two sets have the means 1 and -1. AUC is the probability that a liked
embedding scores above one that is not.
"""

import torch

STRENGTH = 0.02  # of the ridge: benchmarks/taste.py
FOLDS, REPEATS = 5, 4


def fitted(liked: torch.Tensor, not_liked: torch.Tensor) -> tuple[torch.Tensor, float]:
    """The weights (D,) and the bias of the score, for embeddings (N, D) and (M, D)."""
    liked, not_liked = liked.double(), not_liked.double()
    middle = (liked.mean(0) + not_liked.mean(0)) / 2
    shares = [torch.full((len(part),), 0.5 / len(part), dtype=torch.double)
              for part in (liked, not_liked)]  # fmt: skip
    roots = torch.cat(shares).sqrt()
    rows = (torch.cat((liked, not_liked)) - middle) * roots[:, None]
    targets = torch.cat((torch.ones(len(liked)), -torch.ones(len(not_liked)))).double() * roots
    kernel = rows @ rows.T
    ridge = STRENGTH * kernel.trace().clamp_min(1e-12)
    weights = rows.T @ torch.linalg.solve(
        kernel + ridge * torch.eye(len(rows), dtype=torch.double), targets
    )
    low, high = (float((part @ weights).mean()) for part in (not_liked, liked))
    scale = 2.0 / max(high - low, 1e-12)
    return (scale * weights).float(), -scale * (low + high) / 2


def auc(liked: torch.Tensor, not_liked: torch.Tensor) -> float:
    """How often a liked score is above one that is not; a tie counts half."""
    above = (liked[:, None] > not_liked).double() + 0.5 * (liked[:, None] == not_liked).double()
    return float(above.mean())


def held_out_auc(liked: torch.Tensor, not_liked: torch.Tensor) -> float:
    """The mean AUC on folds that the head was not fitted to. Each fold is compared within itself.

    Scores of different folds come from different heads, so they are not comparable.
    """
    generator, areas = torch.Generator().manual_seed(0), []
    for _ in range(REPEATS):
        parts = [
            part[torch.randperm(len(part), generator=generator)].tensor_split(FOLDS)
            for part in (liked, not_liked)
        ]
        for fold in range(FOLDS):
            rest = [torch.cat([f for i, f in enumerate(p) if i != fold]) for p in parts]
            weights, _ = fitted(*rest)
            areas.append(auc(*(part[fold] @ weights for part in parts)))
    return sum(areas) / len(areas)
