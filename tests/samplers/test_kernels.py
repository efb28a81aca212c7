"""Do transitions keep the mixture's law? The denoiser is exact: only the step size can err."""

import math
from dataclasses import MISSING, fields, replace

import pytest
import torch
from pack.samplers.change_path import change_time
from pack.samplers.interpolants import INTERPOLANTS
from pack.samplers.interpolants.linear import Linear
from pack.samplers.interpolants.vp import VP
from pack.samplers.kernels import KERNELS, all_settings
from pack.samplers.kernels.eta import Eta
from pack.samplers.kernels.euler_maruyama import EulerMaruyama
from pack.samplers.kernels.sde import SDE

from .world import denoise, marginal_sample

LINEAR = Linear()
PATHS = {name: cls() for name, cls in INTERPOLANTS.items()}
GAUSSIAN = [name for name, cls in KERNELS.items() if issubclass(cls, SDE)]
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
@pytest.mark.parametrize("kind", GAUSSIAN)
@pytest.mark.parametrize("norm", [0.0, 1.0, 3.0])
def test_the_law_is_kept_as_steps_grow(name, kind, norm):
    path = PATHS[name]
    kernel = KERNELS[kind](path, "square", norm).build()
    generator = torch.Generator().manual_seed(11)
    got = transport(kernel, path, 150, generator)
    want = marginal_sample(COUNT, END, torch.Generator().manual_seed(12))
    assert_same_law(got, want)


@pytest.mark.parametrize("kind", GAUSSIAN)
def test_error_falls_with_the_step_size(kind):
    """First order: eight times the steps leave at most a third of the error in the variance."""
    path, count = VP(), 100_000
    kernel = KERNELS[kind](path, "square", 3.0).build()
    exact = marginal_sample(count, END, torch.Generator().manual_seed(3)).var().item()
    errors = []
    for steps in (6, 48):
        got = transport(kernel, path, steps, torch.Generator().manual_seed(4), count)
        errors.append(abs(got.var().item() - exact))
    assert errors[1] < errors[0] / 3, errors


def test_euler_maruyama_is_the_papers_formula():
    """x - h (u + (g^2/2) eps/sigma) + g sqrt(h) z with u = alpha' x0 + sigma' eps."""
    path = VP()
    kernel = EulerMaruyama(path, "square", 3.0)
    x, x0 = 0.4, -0.9
    for t, s in ((1.0, 0.995), (0.8, 0.7141), (0.6, 0.4359)):
        alpha, sigma = path.alpha(t), path.sigma(t)
        eps, h, g = (x - alpha * x0) / sigma, t - s, 3.0 * t * t
        u = path.d_alpha(t) * x0 + path.d_sigma(t) * eps
        want = x - h * u - h * g**2 / 2 * eps / sigma
        step = kernel(*torch.tensor([[x], [x0]], dtype=torch.float64), t, s)
        assert step.mean.item() == pytest.approx(want, rel=1e-9)
        assert step.std == pytest.approx(g * math.sqrt(h))


@pytest.mark.parametrize("name", PATHS)
def test_eta_leaves_exactly_the_noise_of_the_next_time(name):
    """Kept residual^2 + std^2 = sigma_s^2 whatever the strength."""
    path = PATHS[name]
    for norm in (0.0, 1.0, 3.0, 50.0):
        kernel = Eta(path, "constant", norm).build()
        eps = torch.ones(1, 1, dtype=torch.float64)
        step = kernel(0.8 * eps, 0.0 * eps, 0.8, 0.3)
        assert step.mean.item() ** 2 + step.std**2 == pytest.approx(0.3**2)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("kind", GAUSSIAN)
def test_pure_noise_is_a_valid_start(name, kind):
    """The host's schedules begin at sigma 1, where some paths have no time or no derivative."""
    path = PATHS[name]
    kernel = KERNELS[kind](path, "square", 1.0).build()
    x = torch.randn(COUNT, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = kernel(x, denoise(x, 1.0), 1.0, 0.97)
    noise = torch.randn(COUNT, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = step.draw(lambda: noise)
    assert torch.isfinite(y).all()
    assert y.std().item() == pytest.approx(0.97, abs=0.1)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("kind", GAUSSIAN)
def test_the_last_step_is_x0(name, kind):
    path = PATHS[name]
    kernel = KERNELS[kind](path, "square", 3.0).build()
    x, x0 = torch.randn(2, 4, 3)
    step = kernel(x, x0, 0.3, 0.0)
    assert step.std == 0.0 and torch.equal(step.mean, x0)


@pytest.mark.parametrize("kind", KERNELS)
def test_settings_are_declared(kind):
    """Each has what its input needs; a name that kernels share is one declaration."""
    assert KERNELS[kind].description.endswith(".")
    for setting in fields(KERNELS[kind]):
        assert all_settings()[setting.name] is setting
        assert setting.metadata["tooltip"].endswith(".") and setting.default is not MISSING


@pytest.mark.parametrize("kind", KERNELS)
def test_an_entry_says_how_its_steps_are(kind):
    settings = KERNELS[kind]()
    kernel, x = settings.build(), torch.ones(2, 3)
    settings.check([0.9935, 0.98])
    assert settings.guidable is not bool(kernel.inner)
    if settings.guidable:
        assert settings.stochastic is (kernel(x, 0.0 * x, 0.9, 0.8).std > 0.0)
    if isinstance(settings, SDE):
        still = replace(settings, diffusion_norm=0.0)
        assert not still.stochastic and still.build()(x, 0.0 * x, 0.9, 0.8).std == 0.0
