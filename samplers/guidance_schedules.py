"""How far guidance moves a step: schedules of its strength over the steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .types import Transition

CLEAR = 0.5  # alpha from which on velocity moves nothing: the layout is decided before
GAMMA = 0.008  # of the tempered schedule (Kim et al., arXiv 2501.05803)


def _theory(step: Transition, slope: Tensor, k: int, alpha: float, x: Tensor) -> Tensor:
    """std^2 (c_s/c_t) grad r. The strength is 1/beta, in units of the reward."""
    before, after = step.scales
    return step.std**2 * after / before * slope


def _relative(step: Transition, slope: Tensor, k: int, alpha: float, x: Tensor) -> Tensor:
    """The direction of theory, as long as the step's noise: free of the reward's units.

    A gradient of 0 moves nothing. Length std sqrt(dim), as in arXiv 2402.03201.
    """
    return step.std * math.sqrt(slope[0].numel()) * _unit(slope)


def _unit(rows: Tensor) -> Tensor:
    """Rows (K,*D) of length 1. A row of zeros stays."""
    length = _length(rows)
    return torch.where(length > 0.0, rows / length, rows)


def _length(rows: Tensor) -> Tensor:
    """Lengths of rows (K,*D), with axes of size 1 in place of *D."""
    return rows.flatten(1).norm(dim=1).reshape(-1, *[1] * (rows.ndim - 1))


def _tempered(step: Transition, slope: Tensor, k: int, alpha: float, x: Tensor) -> Tensor:
    """min((1+gamma)^(k+1) - 1, 1) alpha_t grad r on the step's path.

    This is the heuristic of the code of arXiv 2503.19385. It does not depend on g, and so moves
    the plain ODE as well.
    """
    share = min((1.0 + GAMMA) ** (k + 1) - 1.0, 1.0)
    return share * alpha / step.scales[1] * slope


def _velocity(step: Transition, slope: Tensor, k: int, alpha: float, x: Tensor) -> Tensor:
    """The direction of theory, as long as the step itself, while noise outweighs data.

    On the ODE it is -dt |u| g/|g|, u being the velocity and dt < 0 (arXiv 2604.27147).
    """
    if alpha >= CLEAR:
        return torch.zeros_like(slope)
    return _length(step.mean - x) * _unit(slope)


Schedule = Callable[[Transition, Tensor, int, float, Tensor], Tensor]  # arguments: as of `shift`
SCHEDULES: dict[str, Schedule] = {
    "relative": _relative,
    "theory": _theory,
    "tempered": _tempered,
    "velocity": _velocity,
}
NEEDS_NOISE = ("relative", "theory")  # schedules that do not move a step without noise
