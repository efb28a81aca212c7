"""Do GLASS transitions draw from p(x_s | x_t)? On the mixture that law and its quantiles are known.

In one dimension the inner flow is the increasing map from the standard normal to the transition, so
quantiles of eps must land on quantiles of the law: `spread` has no sampling error.
"""

import math

import pytest
import torch
from pack.samplers.kernels.glass import Glass

from .world import MODES, WIDTH, Counter, denoise, marginal_sample

T, S, X = 0.8, 0.4, 0.1
CASES = [(0.8, 0.4, 0.1), (0.95, 0.6, -0.4), (0.5, 0.3, 0.2), (1.0, 0.5, 0.7)]
WEIGHTS = torch.tensor([w for _, w in MODES], dtype=torch.float64)
CENTRES = torch.tensor([m for m, _ in MODES], dtype=torch.float64)
QUANTILES = (torch.arange(501, dtype=torch.float64) + 0.5) / 501


class Law:
    """A mixture of Gaussians of one width."""

    def __init__(self, weights, means, std):
        self.weights, self.means, self.std = weights, means, std

    @staticmethod
    def marginal(t):
        return Law(WEIGHTS, (1 - t) * CENTRES, math.hypot((1 - t) * WIDTH, t))

    @staticmethod
    def transition(x, t, s):
        """p(x_s | x_t = x): x0 | x_t by Bayes a mode, x_s = gamma x_t + abar x0 + sbar w."""
        var = ((1 - t) * WIDTH) ** 2 + t * t
        log_w = WEIGHTS.log() - (x - (1 - t) * CENTRES) ** 2 / (2 * var)
        means = CENTRES + (1 - t) * WIDTH**2 / var * (x - (1 - t) * CENTRES)
        rho = (1 - t) * s / ((1 - s) * t)
        on_x0, noise = (1 - s) * (1 - rho**2), s * math.sqrt(1 - rho**2)
        std = math.hypot(on_x0 * WIDTH * t / math.sqrt(var), noise)
        return Law(torch.softmax(log_w, 0), rho * s / t * x + on_x0 * means, std)

    def cdf(self, x):
        return (self.weights * torch.special.ndtr((x[:, None] - self.means) / self.std)).sum(1)

    def quantile(self, q):
        low, high = (torch.full_like(q, edge) for edge in (-9.0, 9.0))
        for _ in range(60):
            middle = (low + high) / 2
            below = self.cdf(middle) < q
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2

    @property
    def mean_and_std(self):
        mean = (self.weights * self.means).sum()
        var = (self.weights * (self.means - mean) ** 2).sum() + self.std**2
        return mean.item(), var.sqrt().item()


def assert_drawn_from(law, x, bias):
    """Mean, std and Kolmogorov's distance within 5 standard errors of the sample and `bias`."""
    n, (mean, std) = len(x), law.mean_and_std
    squares = (x - x.mean()) ** 2
    assert abs(x.mean() - mean) < 5 * x.std() / math.sqrt(n) + bias
    assert abs(x.std() - std) < 5 * squares.std() / (2 * std * math.sqrt(n)) + bias
    ranks = torch.arange(n + 1, dtype=torch.float64) / n
    cdf = law.cdf(x.sort().values)
    distance = torch.maximum(cdf - ranks[:-1], ranks[1:] - cdf).max()
    five_errors = math.sqrt(math.log(2 / 5.7e-7) / (2 * n))  # Dvoretzky-Kiefer-Wolfowitz
    assert distance < five_errors + bias


def normal(n, seed):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def advance(glass, x, t, s, eps, denoiser=denoise):
    """A draw from rows x at t, whose x0 is what the network says of them."""
    return glass.advance(denoiser, x, denoise(x, t), t, s, eps)


def spread(inner, x, t, s, quantiles=QUANTILES):
    eps = torch.special.ndtri(quantiles)
    return advance(Glass(inner), torch.full_like(eps, x), t, s, eps)


def distance(inner, x, t, s):
    """Wasserstein-1 to the exact law."""
    x_s, _ = spread(inner, x, t, s)
    return (x_s - Law.transition(x, t, s).quantile(QUANTILES)).abs().mean().item()


def euler_in_r(x, t, s, steps, xi):
    """The paper's own inner flow z_r = (1-r) x_s + r xi by `steps` Euler steps, from general rho.

    E[x0 | x_t, z_r] by weighted least squares of both observations, then E[x_s | x_t, z_r].
    """
    a, a_s = 1 - t, 1 - s
    rho = a * s / (a_s * t)
    z = xi - (xi - rho * s / t * x - a_s * (1 - rho**2) * denoise(x, t)) / steps
    for i in range(1, steps):
        r = 1 - i / steps
        cross = (1 - r) * rho * t * s
        gain = torch.tensor([a, (1 - r) * a_s], dtype=torch.float64)
        cov = torch.tensor([[t * t, cross], [cross, ((1 - r) * s) ** 2 + r * r]]).double()
        pull = torch.linalg.solve(cov, gain)
        precision = float(pull @ gain)
        tau = 1 / (1 + math.sqrt(precision))
        x0 = denoise((1 - tau) * (pull[0] * x + pull[1] * z) / precision, tau)
        prior, seen = rho * (x - a * x0) / t, (z - (1 - r) * a_s * x0) / ((1 - r) * s)
        trust = (1 - rho**2) / (1 - rho**2 + (r / ((1 - r) * s)) ** 2)
        x_s = a_s * x0 + s * (prior + trust * (seen - prior))
        z = z - (z - x_s) / (r * steps)
    return z


def test_the_case_of_the_docstring():
    mean, std = Law.transition(X, T, S).mean_and_std
    assert (mean, std) == pytest.approx((0.649, 0.8995), abs=5e-4)
    x_s = [spread(inner, X, T, S)[0] for inner in (2, 4, 8, 16)]
    assert [float(v.std()) for v in x_s] == pytest.approx([0.806, 0.880, 0.896, 0.899], abs=2e-3)
    far = [distance(inner, X, T, S) for inner in (2, 4, 8, 16)]
    assert far == pytest.approx([0.088, 0.018, 0.004, 0.001], abs=1e-3)


@pytest.mark.parametrize("t, s, x", CASES)
def test_draws_follow_the_exact_transition(t, s, x):
    n = 20_000
    x_s, _ = advance(Glass(48), torch.full((n,), x).double(), t, s, normal(n, 1))
    assert_drawn_from(Law.transition(x, t, s), x_s, bias=1e-3)


@pytest.mark.parametrize("t, s, x", CASES)
def test_more_evaluations_come_closer(t, s, x):
    """Second order once resolved: twice the evaluations leave less than half of the error."""
    far = [distance(inner, x, t, s) for inner in (2, 4, 8, 16, 32)]
    assert all(b < a / 2 for a, b in zip(far, far[1:], strict=False)), far
    assert far[-1] < 3e-3


@pytest.mark.parametrize("t, s, x", CASES[:3])
def test_it_is_the_papers_inner_flow(t, s, x):
    """The same end point for the same noise, from the paper's own algebra at small steps."""
    xi = torch.special.ndtri(QUANTILES[::20])
    rows = torch.full_like(xi, x)
    coarse, fine = (euler_in_r(rows, t, s, steps, xi) for steps in (400, 800))
    x_s, _ = advance(Glass(200), rows, t, s, xi)
    torch.testing.assert_close(x_s, 2 * fine - coarse, atol=2e-3, rtol=0)


@pytest.mark.parametrize("t, s", [(0.9, 0.6), (0.6, 0.3), (1.0, 0.7)])
def test_the_marginal_is_kept(t, s):
    n = 20_000
    x = marginal_sample(n, t, torch.Generator().manual_seed(2))
    x_s, _ = advance(Glass(24), x, t, s, normal(n, 3))
    assert_drawn_from(Law.marginal(s), x_s, bias=2e-3)


def test_pure_noise_says_nothing():
    """At t = 1 the transition is the marginal, whatever x: only eps decides, and 1 is no limit."""
    eps = torch.special.ndtri(QUANTILES)
    one, other = (spread(6, x, 1.0, 0.5)[0] for x in (-3.0, 5.0))
    torch.testing.assert_close(one, other, atol=1e-12, rtol=0)
    near, _ = advance(Glass(6), -3.0 * torch.ones_like(eps), 1.0 - 1e-9, 0.5, eps)
    torch.testing.assert_close(one, near, atol=1e-6, rtol=0)


def test_x0_stands_for_the_prediction_at_x_s():
    off = []
    for inner in (2, 4, 8, 16):
        x_s, x0 = spread(inner, X, T, S)
        off.append((x0 - denoise(x_s, S)).square().mean().sqrt().item())
    assert all(b < a / 2 for a, b in zip(off, off[1:], strict=False)), off
    assert off[1] < 0.07


@pytest.mark.parametrize("inner", [1, 2, 3, 7])
@pytest.mark.parametrize("t, s", [(0.8, 0.4), (1.0, 0.05), (0.0101, 0.01)])
def test_exactly_inner_evaluations_after_t_down_to_s(inner, t, s):
    asked = []

    def spy(x, tau):
        asked.append((x, tau))
        return denoise(x, tau)

    counter, x = Counter(spy), normal(5, 4)
    x_s, x0 = advance(Glass(inner), x, t, s, normal(5, 5), counter)
    times = [tau for _, tau in asked]
    assert (counter.calls, counter.rows) == (inner, 5 * inner)
    assert times[0] < t and times[-1] == s and times == sorted(set(times), reverse=True)
    assert torch.equal(x0, denoise(asked[-1][0], s))
    assert x_s.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_and_dimensions_are_independent(dtype):
    x, eps = (normal(24, seed).to(dtype).reshape(2, 3, 2, 2) for seed in (6, 7))
    whole = advance(Glass(), x, T, S, eps)
    flat = advance(Glass(), x.flatten(), T, S, eps.flatten())
    rows = [advance(Glass(), x[i : i + 1], T, S, eps[i : i + 1]) for i in (0, 1)]
    for a, b, c in zip(whole, flat, zip(*rows, strict=True), strict=True):
        assert a.shape == x.shape and a.dtype == dtype
        torch.testing.assert_close(a.flatten(), b)
        torch.testing.assert_close(a, torch.cat(c))


def test_inputs_are_left_alone():
    x, eps = normal(4, 8), normal(4, 9)
    before = x.clone(), eps.clone()
    advance(Glass(), x, T, S, eps)
    assert torch.equal(x, before[0]) and torch.equal(eps, before[1])


@pytest.mark.parametrize("t, s", [(0.5, 0.0), (0.5, 0.5), (0.4, 0.5), (1.2, 0.5), (math.nan, 0.5)])
def test_impossible_transitions_are_refused(t, s):
    x = torch.zeros(2)
    with pytest.raises(ValueError, match="got t .+ and s .+, expected 0 < s < t <= 1"):
        advance(Glass(), x, t, s, x)


@pytest.mark.parametrize("inner", [0, -3])
def test_too_few_evaluations_are_refused(inner):
    with pytest.raises(ValueError, match=f"got glass_steps {inner}, expected at least 1"):
        Glass(inner)
