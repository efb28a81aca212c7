"""Do transitions keep the mixture's law? The denoiser is exact: only the step size can err."""

import math

import pytest
import torch
from pack.samplers.change_path import ChangePath, change_time
from pack.samplers.diffusions import Diffusion
from pack.samplers.interpolants import INTERPOLANTS
from pack.samplers.interpolants.linear import Linear
from pack.samplers.interpolants.vp import VP
from pack.samplers.kernels import KERNELS, Eta, EulerMaruyama

from .world import denoise, marginal_sample

LINEAR = Linear()
PATHS = {name: cls() for name, cls in INTERPOLANTS.items()}
START, END, COUNT = 0.95, 0.2, 8_000


def transport(kernel, path, steps, generator, count=COUNT):
    """Exact samples at START carried to END in `steps` even steps of the path's clock."""
    first, last = change_time(LINEAR, path, START), change_time(LINEAR, path, END)
    clock = torch.linspace(first, last, steps + 1, dtype=torch.float64).tolist()
    times = [START, *(change_time(path, LINEAR, s) for s in clock[1:-1]), END]
    x = marginal_sample(count, START, generator)
    for t, s in zip(times, times[1:], strict=False):
        step = kernel(x, denoise(x, t), t, s)
        x = step.draw(lambda: torch.randn(count, generator=generator, dtype=torch.float64))
    return x


def moments(x):
    """Mean and second moment with their standard errors, and the share of the upper mode."""
    share = (x > 0.5).double()
    return [(v.mean().item(), (v.std() / math.sqrt(len(v))).item()) for v in (x, x * x, share)]


def assert_same_law(x, y, k=5.0, bias=0.0):
    for (a, sa), (b, sb) in zip(moments(x), moments(y), strict=True):
        assert abs(a - b) <= k * math.hypot(sa, sb) + bias, (a, b, sa, sb)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("norm", [0.0, 1.0, 3.0])
def test_the_law_is_kept_as_steps_grow(name, kind, norm):
    path = PATHS[name]
    kernel = ChangePath(KERNELS[kind](path, Diffusion("square", norm)), path, LINEAR)
    generator = torch.Generator().manual_seed(11)
    got = transport(kernel, path, 150, generator)
    want = marginal_sample(COUNT, END, torch.Generator().manual_seed(12))
    assert_same_law(got, want)


@pytest.mark.parametrize("kind", KERNELS)
def test_error_falls_with_the_step_size(kind):
    """First order: eight times the steps leave at most a third of the error in the variance."""
    path, count = VP(), 100_000
    kernel = ChangePath(KERNELS[kind](path, Diffusion("square", 3.0)), path, LINEAR)
    exact = marginal_sample(count, END, torch.Generator().manual_seed(3)).var().item()
    errors = []
    for steps in (6, 48):
        got = transport(kernel, path, steps, torch.Generator().manual_seed(4), count)
        errors.append(abs(got.var().item() - exact))
    assert errors[1] < errors[0] / 3, errors


def test_euler_maruyama_is_the_papers_formula():
    """x - h (u + (g^2/2) eps/sigma) + g sqrt(h) z with u = alpha' x0 + sigma' eps."""
    path, g = VP(), Diffusion("square", 3.0)
    x, x0 = 0.4, -0.9
    for t, s in ((1.0, 0.995), (0.8, 0.7141), (0.6, 0.4359)):
        alpha, sigma = path.alpha(t), path.sigma(t)
        eps, h = (x - alpha * x0) / sigma, t - s
        u = path.d_alpha(t) * x0 + path.d_sigma(t) * eps
        want = x - h * u - h * g(t, path) ** 2 / 2 * eps / sigma
        step = EulerMaruyama(path, g)(*torch.tensor([[x], [x0]], dtype=torch.float64), t, s)
        assert step.mean.item() == pytest.approx(want, rel=1e-9)
        assert step.std == pytest.approx(g(t, path) * math.sqrt(h))


@pytest.mark.parametrize("name", PATHS)
def test_eta_leaves_exactly_the_noise_of_the_next_time(name):
    """Kept residual^2 + std^2 = sigma_s^2 whatever the strength."""
    path = PATHS[name]
    for norm in (0.0, 1.0, 3.0, 50.0):
        kernel = ChangePath(Eta(path, Diffusion("constant", norm)), path, LINEAR)
        eps = torch.ones(1, 1, dtype=torch.float64)
        step = kernel(0.8 * eps, 0.0 * eps, 0.8, 0.3)
        assert step.mean.item() ** 2 + step.std**2 == pytest.approx(0.3**2)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("kind", KERNELS)
def test_pure_noise_is_a_valid_start(name, kind):
    """The host's schedules begin at sigma 1, where some paths have no time or no derivative."""
    path = PATHS[name]
    kernel = ChangePath(KERNELS[kind](path, Diffusion("square", 1.0)), path, LINEAR)
    x = torch.randn(COUNT, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = kernel(x, denoise(x, 1.0), 1.0, 0.97)
    noise = torch.randn(COUNT, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = step.draw(lambda: noise)
    assert torch.isfinite(y).all()
    assert y.std().item() == pytest.approx(0.97, abs=0.1)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("kind", KERNELS)
def test_the_last_step_is_x0(name, kind):
    path = PATHS[name]
    kernel = ChangePath(KERNELS[kind](path, Diffusion("square", 3.0)), path, LINEAR)
    x, x0 = torch.randn(2, 4, 3)
    step = kernel(x, x0, 0.3, 0.0)
    assert step.std == 0.0 and torch.equal(step.mean, x0)
