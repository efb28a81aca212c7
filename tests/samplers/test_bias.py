"""The bias of a sampler's law, by quadrature on the exact mixture: no draws, no sampling error.

Field 19: `eta` is exact in the noise level alone. Its law, as Euler–Maruyama's, has a bias of first
order: it halves when the steps double. Below is what each is off by at t = 0.3, on even steps from
t = 1, linear path, diffusion `sigma` at norm 1. The law tilted by exp(-x0/2) is what SMC draws from
with ever more particles.

             eta                            euler_maruyama
    steps    mean     variance  tilted mean    mean     variance  tilted mean
    10       +.0162   -.1115    +.0701         +.0099   -.0864    +.0562
    20       +.0082   -.0550    +.0341         +.0052   -.0434    +.0278
    40       +.0041   -.0273    +.0168         +.0027   -.0217    +.0138
    80       +.0020   -.0136    +.0084         +.0014   -.0108    +.0069
"""

import math
from functools import cache
from itertools import pairwise

import pytest
import torch
from pack.samplers.interpolants.linear import Linear
from pack.samplers.kernels import KERNELS

from .test_kernels import GAUSSIAN
from .world import MODES, WIDTH, denoise

END, LAM, STEPS = 0.3, 2.0, (10, 20, 40, 80)
X = torch.linspace(-5.5, 6.5, 801, dtype=torch.float64)


def exact(t):
    """The mixture's density at time t on the grid, up to a factor."""
    var = ((1 - t) * WIDTH) ** 2 + t**2
    return sum(w * torch.exp(-((X - (1 - t) * m) ** 2) / (2 * var)) for m, w in MODES)


def carried(kind, steps):
    """The density at END that the kernel makes of the exact one at t = 1."""
    kernel, p = KERNELS[kind](Linear(), "sigma", 1.0), exact(1.0)
    times = [1.0 + (END - 1.0) * i / steps for i in range(steps + 1)]
    for t, s in pairwise(times):
        step = kernel(X, denoise(X, t), t, s)
        law = torch.exp(-(((X[:, None] - step.mean) / step.std) ** 2) / 2)
        p = law @ (p / law.sum(0))
    return p


def moments(p):
    """Mean, variance, and mean of the tilted law."""
    p, q = (own / own.sum() for own in (p, p * torch.exp(-denoise(X, END) / LAM)))
    mean = (p * X).sum()
    return torch.stack([mean, (p * (X - mean) ** 2).sum(), (q * X).sum()])


@cache
def biases(kind):
    """(len(STEPS), 3): what each moment is off by."""
    return torch.stack([moments(carried(kind, n)) - moments(exact(END)) for n in STEPS])


def test_the_grid_is_fine_and_wide_enough():
    mean = sum(w * (1 - END) * m for m, w in MODES)
    assert (exact(END) * X).sum() / exact(END).sum() == pytest.approx(mean, abs=1e-9)
    assert X[1] - X[0] < 0.7 * END * math.sqrt((1 - END) / STEPS[-1])  # the narrowest step's std


@pytest.mark.parametrize("kind", GAUSSIAN)
def test_the_bias_halves_when_the_steps_double(kind):
    found = biases(kind)
    orders = torch.log2(found[:-1] / found[1:])
    assert (orders - 1.0).abs().max() < 0.1, orders
    assert (orders[-1] - 1.0).abs().max() < 0.04, orders


def test_eta_has_the_larger_bias_of_the_two():
    ratio = biases("eta") / biases("euler_maruyama")
    assert (ratio > 1.2).all() and (ratio < 1.8).all()


def test_the_table_above():
    rows = [line.split() for line in __doc__.splitlines()]
    rows = [row for row in rows if len(row) == 7 and row[0].isdigit()]
    told = torch.tensor([[float(v) for v in row] for row in rows], dtype=torch.float64)
    assert told[:, 0].tolist() == list(STEPS)
    found = torch.cat([biases("eta"), biases("euler_maruyama")], dim=1)
    assert (told[:, 1:] - found).abs().max() < 6e-5
