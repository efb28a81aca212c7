"""Which settings explode is known before compute (Field 19), held against the exact mixture."""

import math
from itertools import pairwise, product

import pytest
import torch
from pack.samplers.change_path import change_time
from pack.samplers.diffusions import SHAPES
from pack.samplers.interpolants import INTERPOLANTS
from pack.samplers.interpolants.linear import Linear
from pack.samplers.kernels import KERNELS
from pack.samplers.schedules import SPACINGS, model_times
from pack.samplers.stability import GRID, LIMITS, excess, noise_levels

from .world import MODES, WIDTH, denoise, marginal_sample

LINEAR = Linear()
MEAN = sum(w * m for m, w in MODES)
DATA = sum(w * (m - MEAN) ** 2 for m, w in MODES) + WIDTH**2  # variance of the mixture


def kernel(path, shape, norm, kind="euler_maruyama"):
    return KERNELS[kind](INTERPOLANTS[path](), shape, norm).build()


def largest(path, shape, norm, times, kind="euler_maruyama"):
    return KERNELS[kind](INTERPOLANTS[path](), shape, norm).largest_norm(times)


def basic(steps, shift=1.0, denoise=1.0):
    """The host's BasicScheduler, `simple`, without the last 0."""
    times = [1.0 - k / steps for k in range(steps)][-math.ceil(steps * denoise) :]
    return [shift * t / (1.0 + (shift - 1.0) * t) for t in times]


def own(steps, spacing="exp", path="vp", denoise=1.0):
    return model_times(steps, spacing, INTERPOLANTS[path](), denoise)[:-1]


SCHEDULES = {
    "vp exp 4": own(4),
    "vp exp 10": own(10),
    "linear exp 10": own(10, path="linear"),
    "simple 4": basic(4),
    "simple 10": basic(10),
    "simple 10, shift 3": basic(10, 3.0),
    "simple 20": basic(20),
}


@pytest.mark.parametrize("path", INTERPOLANTS)
@pytest.mark.parametrize("shape, norm", [("square", 3.0), ("constant", 1.0), ("tan", 0.5)])
def test_the_levels_are_the_noise_about_an_x0_that_is_held(path, shape, norm):
    times, count, x0 = basic(6, 2.0), 20_000, 0.7
    step, generator = kernel(path, shape, norm), torch.Generator().manual_seed(5)

    def normal():
        return torch.randn(count, generator=generator, dtype=torch.float64)

    x = times[0] * normal() + (1.0 - times[0]) * x0
    held = torch.full_like(x, x0)
    levels = noise_levels(step, times)
    for (t, s), level in zip(pairwise(times), levels[1:], strict=True):
        x = step(x, held, t, s).draw(normal)
        assert x.std().item() == pytest.approx(level, rel=5.0 / math.sqrt(2.0 * count))


def spread(path, shape, norm, times):
    """The largest std over the exact one, of latents and, where modes are apart, about the modes.

    The denoiser is the mixture's own.
    """
    generator, count, whole, details = torch.Generator().manual_seed(2), 2_000, 1.0, 1.0
    x, step = marginal_sample(count, times[0], generator), kernel(path, shape, norm)
    for t, s in pairwise(times):
        law = step(x, denoise(x, t), t, s)
        x = law.draw(lambda: torch.randn(count, generator=generator, dtype=torch.float64))
        alpha = 1.0 - s
        whole = max(whole, x.std().item() / math.hypot(alpha * math.sqrt(DATA), s))
        if s < 0.25:
            off = torch.stack([x - alpha * m for m, _ in MODES]).abs().min(0).values
            details = max(details, off.square().mean().sqrt().item() / math.hypot(alpha * WIDTH, s))
    return whole, details


@pytest.mark.parametrize("name", SCHEDULES)
def test_what_is_let_through_has_no_exploded_law_and_what_is_refused_far_out_has(name):
    """All paths and diffusions, norms up to the node's largest; 8% are the draws' own error.

    Modes of some width are milder than the points that the limits are reckoned for.
    """
    times, passed, refused = SCHEDULES[name], 0, 0
    for path, shape, norm in product(INTERPOLANTS, SHAPES, (0.5, 1.0, 3.0, 8.0, 20.0)):
        stable = largest(path, shape, norm, times) == norm
        far = excess(kernel(path, shape, norm), times)
        whole, details = spread(path, shape, norm, times)
        passed, refused = passed + stable, refused + (far > 2.5)
        if stable:
            assert whole < 1.08 * LIMITS[1.0] and details < 1.08 * LIMITS[0.1], (path, shape, norm)
        assert far < 2.5 or whole > 1.5 or details > 2.0, (path, shape, norm, far, whole, details)
    assert passed > 40 and refused > 20


@pytest.mark.parametrize("path", INTERPOLANTS)
@pytest.mark.parametrize("shape, name", [("tan", "vp exp 10"), ("constant", "simple 10")])
def test_the_two_of_the_issue_and_the_norm_that_is_named_instead(path, shape, name):
    """At norm 3 the law is far off; at the norm named it is near, and one step of the input above
    it is refused again."""
    times = SCHEDULES[name]
    assert max(spread(path, shape, 3.0, times)) > 4.0
    norm = largest(path, shape, 3.0, times)
    assert 0.1 < norm < 3.0
    assert largest(path, shape, norm, times) == norm
    assert largest(path, shape, round(norm + GRID, 2), times) == norm
    whole, details = spread(path, shape, norm, times)
    assert whole < 1.08 * LIMITS[1.0] and details < 1.08 * LIMITS[0.1]


def unstable(path, shape, norm, times):
    """Whether some step has |1 - h g^2/(2 sigma^2)| > 1, in the words of the issue."""
    path = INTERPOLANTS[path]()
    clock = [change_time(LINEAR, path, t) for t in times]
    g = KERNELS["euler_maruyama"](path, shape, norm).g
    return any((s - r) * g(s) ** 2 > 4.0 * path.sigma(s) ** 2 for s, r in pairwise(clock))


@pytest.mark.parametrize("name", SCHEDULES)
def test_where_the_coefficient_is_above_one_the_norm_is_refused(name):
    times = SCHEDULES[name]
    for path, shape, norm in product(INTERPOLANTS, SHAPES, (0.5, 1.0, 3.0, 8.0, 20.0)):
        if unstable(path, shape, norm, times):
            assert largest(path, shape, norm, times) < norm, (path, shape, norm)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_norm_below_the_largest_is_stable_and_every_one_above_is_not(shape):
    for path, name in product(INTERPOLANTS, ("vp exp 4", "simple 4")):
        times = SCHEDULES[name]
        top = largest(path, shape, 20.0, times)
        for norm in (0.5 * k for k in range(41)):
            assert (largest(path, shape, norm, times) == norm) is (norm <= top)


SANE = {
    "the paper's": ("square", 3.0, own(10), INTERPOLANTS),
    "the paper's, 4 steps": ("square", 3.0, own(4), INTERPOLANTS),
    "the paper's, 50 steps": ("square", 3.0, own(50), INTERPOLANTS),
    "linear spacing": ("square", 3.0, own(10, "linear"), INTERPOLANTS),
    "BasicScheduler": ("square", 3.0, basic(10), INTERPOLANTS),
    "BasicScheduler, 50 steps": ("square", 3.0, basic(50), INTERPOLANTS),
    "BasicScheduler, 4 steps": ("square", 3.0, basic(4), ("linear", "cosine", "linear_vp")),
    "shift 3": ("square", 3.0, basic(20, 3.0), INTERPOLANTS),
    "shift 8": ("square", 3.0, basic(20, 8.0), INTERPOLANTS),
    "image to image": ("square", 3.0, basic(20, 3.0, 0.5), INTERPOLANTS),
    "own, image to image": ("square", 3.0, own(10, denoise=0.4), INTERPOLANTS),
    "a window": ("square", 3.0, basic(20)[4:12], INTERPOLANTS),
    "norm 1": ("square", 1.0, basic(4), INTERPOLANTS),
    "sigma": ("sigma", 1.0, basic(4), INTERPOLANTS),
    "linear": ("linear", 1.0, basic(20), INTERPOLANTS),
    "sin": ("sin", 1.0, basic(20), INTERPOLANTS),
    "exp": ("exp", 3.0, basic(10), INTERPOLANTS),
    "constant": ("constant", 1.0, basic(10), INTERPOLANTS),
    "constant, shift 3": ("constant", 1.0, basic(20, 3.0), INTERPOLANTS),
    "one step": ("tan", 20.0, [1.0], INTERPOLANTS),
}


@pytest.mark.parametrize("name", SANE)
def test_no_sane_setting_is_refused(name):
    shape, norm, times, paths = SANE[name]
    assert {path: largest(path, shape, norm, times) for path in paths} == dict.fromkeys(paths, norm)


@pytest.mark.parametrize("path", INTERPOLANTS)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_eta_is_stable_at_any_norm(path, spacing):
    for shape in SHAPES:
        times = own(7, spacing, path)
        assert largest(path, shape, 1e6, times, "eta") == 1e6
        assert noise_levels(kernel(path, shape, 20.0, "eta"), times) == pytest.approx(times)


def test_a_short_step_is_stable_up_to_the_coefficient_minus_one():
    """h g^2/(2 sigma^2) = 2 - h/sigma there, and the noise it leaves sqrt(5) of the expected."""
    t, s = 0.999, 0.998
    limit = math.sqrt((4.0 - 2.0 * (t - s) / t) * t * t / (t - s))
    assert largest("linear", "constant", 1e4, [t, s]) == pytest.approx(limit, rel=2e-3)


@pytest.mark.parametrize("name", ["vp exp 10", "simple 10"])
def test_noise_beyond_all_numbers_is_an_explosion_too(name):
    assert excess(kernel("vp", "tan", 1e200), SCHEDULES[name]) == math.inf
    assert largest("vp", "tan", 1e200, SCHEDULES[name]) < 1.0


def test_norm_zero_is_never_refused_and_noise_is_not_blamed_for_a_path_too_coarse():
    """VP over two long steps: the ODE itself leaves more noise than belongs there."""
    times = [0.99, 0.6, 0.01]
    assert excess(kernel("vp", "square", 0.0), times) > 1.0
    assert largest("vp", "square", 0.0, times) == 0.0
    assert largest("vp", "square", 1.0, times) == 1.0
    assert largest("vp", "square", 20.0, times) < 20.0
