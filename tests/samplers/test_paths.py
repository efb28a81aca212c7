import math

import pytest
import torch
from pack.samplers.change_path import ChangePath, change_time
from pack.samplers.diffusions import SHAPES
from pack.samplers.interpolants import INTERPOLANTS
from pack.samplers.interpolants.linear import Linear
from pack.samplers.interpolants.vp import VP
from pack.samplers.kernels.euler_maruyama import EulerMaruyama
from pack.samplers.ode import ODE
from pack.samplers.schedules import SPACINGS, model_times

PATHS = [cls() for cls in INTERPOLANTS.values()]
INNER = [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98]
IDS = [type(p).__name__ for p in PATHS]

# method.md 1.8: s, alpha, sigma, model t, scale c, ds, g, g sqrt(ds); 4 digits
GOLDEN = """
1.0000 .0066 1.0000 .9935 1.0065 .0050 3.000 .212
.9950 .0069 1.0000 .9931 1.0069 .0152 2.970 .366
.9798 .0080 1.0000 .9920 1.0080 .0259 2.880 .463
.9539 .0103 .9999 .9898 1.0103 .0374 2.730 .528
.9165 .0146 .9999 .9856 1.0145 .0505 2.520 .566
.8660 .0229 .9997 .9776 1.0227 .0660 2.250 .578
.8000 .0398 .9992 .9617 1.0390 .0859 1.920 .563
.7141 .0763 .9971 .9289 1.0734 .1141 1.530 .517
.6000 .1619 .9868 .8591 1.1487 .1641 1.080 .438
.4359 .3802 .9249 .7087 1.3051 .4359
"""
RHO = [0.212, 0.366, 0.463, 0.528, 0.566, 0.579, 0.564, 0.524, 0.473]


def test_golden_table():
    path, linear = VP(), Linear()
    euler_maruyama = EulerMaruyama(path, "square", 3.0)
    rows = [[float(v) for v in line.split()] for line in GOLDEN.split("\n") if line]
    times = model_times(10, "exp", path)
    clock = [change_time(linear, path, t) for t in times]
    assert times[-1] == 0.0 and len(rows) == 10
    for k, row in enumerate(rows):
        s, t = clock[k], times[k]
        scale = path.sigma(s) / linear.sigma(t)
        got = [s, path.alpha(s), path.sigma(s), t, scale, s - clock[k + 1]]
        assert got == pytest.approx(row[:6], abs=5.1e-5)
        assert scale == pytest.approx(path.alpha(s) + path.sigma(s), rel=1e-12)
        if len(row) > 6:
            g = euler_maruyama.g(s)
            std = g * math.sqrt(s - clock[k + 1])
            assert [g, std] == pytest.approx(row[6:], abs=5.1e-4)
    kernel = ChangePath(euler_maruyama, path, linear)
    zero = torch.zeros(1, 1, dtype=torch.float64)
    for k, rho in enumerate(RHO):
        step = kernel(zero, zero, times[k], times[k + 1])
        assert step.std / times[k + 1] == pytest.approx(rho, abs=5.1e-4)


@pytest.mark.parametrize("steps, last", [(4, 0.901), (6, 0.821), (8, 0.758), (20, 0.568)])
def test_last_model_time(steps, last):
    assert model_times(steps, "exp", VP())[-2] == pytest.approx(last, abs=5e-4)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_snr_is_inverted_and_monotone(path):
    snrs = [path.alpha(t) / path.sigma(t) for t in INNER]
    assert snrs == sorted(snrs, reverse=True)
    assert [path.t_from_snr(snr) for snr in snrs] == pytest.approx(INNER, rel=1e-9)
    assert path.t_from_snr(0.0) == 1.0


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_derivatives(path):
    h = 1e-6
    for t in INNER:
        for f, df in ((path.alpha, path.d_alpha), (path.sigma, path.d_sigma)):
            assert df(t) == pytest.approx((f(t + h) - f(t - h)) / (2 * h), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_ends(path):
    assert (path.alpha(0.0), path.sigma(0.0)) == (1.0, 0.0)
    assert path.alpha(1.0) == pytest.approx(0.0, abs=0.0067)
    assert path.sigma(1.0) == pytest.approx(1.0, abs=3e-5)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_x0_is_the_same_number_from_every_velocity(path):
    """(sigma u - sigma' x)/(alpha' sigma - sigma' alpha) of u = alpha' x0 + sigma' eps is x0."""
    x0, eps = 0.7, -1.3
    for t in INNER:
        a, s, da, ds = path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t)
        u, x = da * x0 + ds * eps, a * x0 + s * eps
        assert (s * u - ds * x) / (da * s - ds * a) == pytest.approx(x0, rel=1e-9)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_change_time_keeps_the_snr(path):
    linear = Linear()
    for t in INNER:
        s = change_time(linear, path, t)
        assert path.alpha(s) / path.sigma(s) == pytest.approx((1 - t) / t, rel=1e-9)
        assert change_time(path, linear, s) == pytest.approx(t, rel=1e-9)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_the_ode_is_one_map_on_every_path(path):
    """A deterministic step given x0 and eps does not depend on the path it is written on."""
    x, x0 = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = ChangePath(ODE(path), path, Linear())(x, x0, 0.8, 0.3)
    want = 0.7 * x0 + 0.3 * (x - 0.2 * x0) / 0.8
    torch.testing.assert_close(step.mean, want)
    assert step.std == 0.0


def test_shapes():
    path = VP()
    got = {name: shape(0.6, path) for name, shape in SHAPES.items()}
    assert got == pytest.approx(
        {
            "square": 0.36,
            "sigma": path.sigma(0.6),
            "constant": 1.0,
            "sin": math.sin(0.3 * math.pi),
            "linear": 0.6,
            "clipping": 0.2,
            "exp": math.exp(-16.0),
            "tan": math.tan(0.3 * math.pi),
        }
    )
    assert SHAPES["tan"](1.0, path) == pytest.approx(math.tan(0.475 * math.pi))


BAD = {
    ("wave", 1.0): "got 'wave', expected one of square, sigma",
    ("square", -1.0): "got -1.0, expected a finite number of at least 0",
    ("square", math.nan): "got nan, expected a finite number of at least 0",
}


@pytest.mark.parametrize("diffusion", BAD)
def test_bad_diffusion_is_refused(diffusion):
    with pytest.raises(ValueError, match=BAD[diffusion]):
        EulerMaruyama(VP(), *diffusion)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_schedule_falls_to_zero(path, spacing):
    times = model_times(7, spacing, path)
    assert len(times) == 8 and times[-1] == 0.0 and times[0] <= 1.0
    assert all(a > b for a, b in zip(times, times[1:], strict=False))


def test_partial_denoise_takes_the_last_times():
    whole = model_times(20, "exp", VP())
    assert model_times(10, "exp", VP(), denoise=0.5) == whole[10:]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_a_schedule_of_a_model_that_begins_below_pure_noise(path, spacing):
    """SDXL begins at sigma 14.6, and so do its steps: as many, and still falling."""
    first = 14.6146 / 15.6146
    times = model_times(12, spacing, path, noisiest=first)
    assert times[0] == pytest.approx(first, abs=1e-9) and len(times) == 13
    assert all(a > b for a, b in zip(times, times[1:], strict=False))
    assert model_times(12, spacing, path, noisiest=1.0) == model_times(12, spacing, path)
    for steps, denoise in ((0, 1.0), (5, 0.0), (5, 1.5)):
        with pytest.raises(ValueError, match=f"got ({steps}|{denoise}), expected"):
            model_times(steps, "exp", VP(), denoise)
