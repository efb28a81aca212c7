"""Resampling: weighted particles become equally weighted ones, i copied n w_i times on average.

w = softmax(log_w), and F are the cumulative weights. Each of n points p in [0, n) picks the i with
n F_(i-1) <= p < n F_i. The schemes differ in their points, made of n uniforms u in [0, 1):
  multinomial   p_j = n u_j                   n independent draws (Gordon et al. 1993)
  stratified    p_j = j + u_j                 |copies - n w_i| < 2 (Kitagawa 1996)
  systematic    p_j = j + u_0                 |copies - n w_i| < 1 (Carpenter et al. 1999)
  residual      floor(n w_i) copies, the rest multinomial (Liu and Chen 1998); ascending indices
All are unbiased. Residual and stratified never have a larger variance than multinomial, which does
not hold for systematic (Douc and Cappé, "Comparison of resampling schemes for particle filtering",
2005). A weight of exp(-inf) = 0 is never picked.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# (log_w (K,), n, u (n,)) -> indices (n,) int64. Raises ValueError if no weight is above 0, if a
# log weight is NaN or +inf, and if there are not n uniforms in [0, 1).
Resampler = Callable[[Tensor, int, Tensor], Tensor]


def ess(log_w: Tensor) -> float:
    """Effective sample size 1 / sum w^2, w = softmax(log_w): from 1 to K (Kong et al. 1994)."""
    log_w = _checked(log_w)
    return float(torch.exp(2.0 * torch.logsumexp(log_w, 0) - torch.logsumexp(2.0 * log_w, 0)))


def multinomial(log_w: Tensor, n: int, u: Tensor) -> Tensor:
    """Indices (n,) by n independent draws.

    Args:
        log_w: (K,) log weights.
        n: indices to pick, at least 1.
        u: (n,) uniforms in [0, 1).
    """
    shares, u = _shares(log_w, n), _uniforms(u, n)
    return _pick(shares, n * u)


def stratified(log_w: Tensor, n: int, u: Tensor) -> Tensor:
    """Indices (n,) by one draw in each of n strata.

    Args:
        log_w: (K,) log weights.
        n: indices to pick, at least 1.
        u: (n,) uniforms in [0, 1).
    """
    shares, u = _shares(log_w, n), _uniforms(u, n)
    return _pick(shares, _one_a_stratum(u))


def systematic(log_w: Tensor, n: int, u: Tensor) -> Tensor:
    """Indices (n,) by one draw, repeated in each of n strata.

    Args:
        log_w: (K,) log weights.
        n: indices to pick, at least 1.
        u: (n,) uniforms in [0, 1); only the first is used.
    """
    shares, u = _shares(log_w, n), _uniforms(u, n)
    return _pick(shares, _one_a_stratum(u[:1].expand(n)))


def residual(log_w: Tensor, n: int, u: Tensor) -> Tensor:
    """Indices (n,), ascending: floor(n w_i) certain copies, and independent draws for the rest.

    Args:
        log_w: (K,) log weights.
        n: indices to pick, at least 1.
        u: (n,) uniforms in [0, 1); only the first are used, one for each draw.
    """
    shares, u = _shares(log_w, n), _uniforms(u, n)
    copies = shares.floor()
    certain = torch.repeat_interleave(copies.long())
    left = n - len(certain)
    if not left:
        return certain
    rest = shares - copies
    drawn = _pick(rest * (left / rest.sum()), left * u[:left])
    return torch.cat([certain, drawn]).sort().values


RESAMPLERS: dict[str, Resampler] = {
    "multinomial": multinomial,
    "stratified": stratified,
    "systematic": systematic,
    "residual": residual,
}


def _checked(log_w: Tensor) -> Tensor:
    """(K,) float64 with at least one weight above 0."""
    if log_w.ndim != 1 or not len(log_w):
        raise ValueError(
            f"Log weights have the wrong shape: got {tuple(log_w.shape)}, expected (K,), K >= 1."
        )
    log_w = log_w.double()
    if log_w.isnan().any() or log_w.isposinf().any():
        raise ValueError(
            f"Log weights are not usable: got up to {float(log_w.max())}, expected no NaN, no +inf."
        )
    if log_w.isneginf().all():
        raise ValueError(
            f"No particle has a weight: got {len(log_w)} weights of 0, expected one above 0."
        )
    return log_w


def _shares(log_w: Tensor, n: int) -> Tensor:
    """The expected copies n w_i, (K,) float64."""
    return _snap(n * torch.softmax(_checked(log_w), 0), n)


def _uniforms(u: Tensor, n: int) -> Tensor:
    if n < 1 or u.shape != (n,):
        raise ValueError(
            f"Uniforms have the wrong shape: got {tuple(u.shape)} for {n} draws, expected (n,) "
            "with n >= 1."
        )
    if not ((u >= 0.0) & (u < 1.0)).all():
        raise ValueError(
            f"Uniforms are out of range: got {float(u.min())} to {float(u.max())}, expected [0, 1)."
        )
    return u.double()


def _snap(values: Tensor, n: int) -> Tensor:
    """Values, each replaced by an integer if it is within rounding of one.

    The sum of ten tenths must be 1.
    """
    whole = values.round()
    return torch.where((values - whole).abs() <= n * len(values) * 2.0**-52, whole, values)


def _one_a_stratum(u: Tensor) -> Tensor:
    """j + u_j, always below j + 1: with a large j and a u close to 1 the sum would round up."""
    j = torch.arange(len(u), dtype=u.dtype, device=u.device)
    return torch.minimum(j + u, torch.nextafter(j + 1.0, j))


def _pick(shares: Tensor, points: Tensor) -> Tensor:
    """The i with cumulative_(i-1) <= point < cumulative_i. Points are below the sum of `shares`."""
    cumulative = _snap(shares.cumsum(0), round(float(shares.sum())))
    # Where the sum is too small by rounding, no point may lie beyond the last weight above 0.
    below = torch.nextafter(cumulative[-1], cumulative.new_zeros(()))
    # Side right takes the last of equal cumulative weights, so that a weight of 0 has no points.
    return torch.searchsorted(cumulative, torch.minimum(points, below), right=True)
