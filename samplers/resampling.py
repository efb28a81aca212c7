"""Resampling: weighted particles become equally weighted ones, i copied n w_i times on average.

Each scheme maps (log_w (K,), n, u (n,)) to indices (n,) int64, w = softmax(log_w), u uniforms in
[0, 1). With F the cumulative weights, point p in [0, n) picks the i with n F_(i-1) <= p < n F_i.
  multinomial   p_j = n u_j                   n independent draws (Gordon et al. 1993)
  stratified    p_j = j + u_j                 |copies - n w_i| < 2 (Kitagawa 1996)
  systematic    p_j = j + u_0                 |copies - n w_i| < 1 (Carpenter et al. 1999)
  residual      floor(n w_i) copies, the rest multinomial (Liu and Chen 1998); ascending indices
Compared in Douc and Cappé, "Comparison of resampling schemes for particle filtering" (2005): all
unbiased, and residual and stratified never of a larger variance than multinomial (systematic is not
ordered). A weight of exp(-inf) = 0 is never picked. Raises ValueError for weights of which none is
above 0, NaN or +inf weights, and uniforms of the wrong number or range.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Resampler = Callable[[Tensor, int, Tensor], Tensor]  # (log_w (K,), n, u (n,)) -> (n,) int64


def ess(log_w: Tensor) -> float:
    """Effective sample size 1 / sum w^2, w = softmax(log_w): from 1 to K (Kong et al. 1994)."""
    log_w = _checked(log_w)
    return float(torch.exp(2.0 * torch.logsumexp(log_w, 0) - torch.logsumexp(2.0 * log_w, 0)))


def multinomial(log_w: Tensor, n: int, u: Tensor) -> Tensor:
    shares, u = _shares(log_w, n), _uniforms(u, n)
    return _pick(shares, n * u)


def stratified(log_w: Tensor, n: int, u: Tensor) -> Tensor:
    shares, u = _shares(log_w, n), _uniforms(u, n)
    return _pick(shares, _one_a_stratum(u))


def systematic(log_w: Tensor, n: int, u: Tensor) -> Tensor:
    """Of u only the first is used."""
    shares, u = _shares(log_w, n), _uniforms(u, n)
    return _pick(shares, _one_a_stratum(u[:1].expand(n)))


def residual(log_w: Tensor, n: int, u: Tensor) -> Tensor:
    """Of u only as many are used as places are left after the certain copies."""
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
        raise ValueError(f"log weights of shape {tuple(log_w.shape)} given, wanted (K,), K >= 1.")
    log_w = log_w.double()
    if log_w.isnan().any() or log_w.isposinf().any():
        raise ValueError(f"log weights up to {float(log_w.max())} given, wanted no NaN, no +inf.")
    if log_w.isneginf().all():
        raise ValueError(f"all {len(log_w)} weights are zero (-inf), wanted one above zero.")
    return log_w


def _shares(log_w: Tensor, n: int) -> Tensor:
    """The expected copies n w_i, (K,) float64."""
    return _snap(n * torch.softmax(_checked(log_w), 0), n)


def _uniforms(u: Tensor, n: int) -> Tensor:
    if n < 1 or u.shape != (n,):
        raise ValueError(f"{n} draws from u of shape {tuple(u.shape)}, wanted (n,) with n >= 1.")
    if not ((u >= 0.0) & (u < 1.0)).all():
        raise ValueError(f"u from {float(u.min())} to {float(u.max())} given, wanted [0, 1).")
    return u.double()


def _snap(values: Tensor, n: int) -> Tensor:
    """Values within rounding of an integer become it: ten tenths, added up, must be 1."""
    whole = values.round()
    return torch.where((values - whole).abs() <= n * len(values) * 2.0**-52, whole, values)


def _one_a_stratum(u: Tensor) -> Tensor:
    """j + u_j, kept below j + 1 where the sum of a large j and a u close to 1 rounds up to it."""
    j = torch.arange(len(u), dtype=u.dtype, device=u.device)
    return torch.minimum(j + u, torch.nextafter(j + 1.0, j))


def _pick(shares: Tensor, points: Tensor) -> Tensor:
    """The i with cumulative_(i-1) <= point < cumulative_i; `shares` add up to the points' range."""
    cumulative = _snap(shares.cumsum(0), round(float(shares.sum())))
    # a sum that ends short must not send a point past the last weight above 0
    below = torch.nextafter(cumulative[-1], cumulative.new_zeros(()))
    # side right: of equal cumulative weights the last, so that a weight of 0 has no points
    return torch.searchsorted(cumulative, torch.minimum(points, below), right=True)
