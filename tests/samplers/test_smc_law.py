"""SMC draws from p(x_T) exp(r(x0(x_T))/lambda): on the mixture that law is an integral in one line.

The reward -x0 pulls towards the lighter mode, against the model: weights decide between the two.
Errors are those of independent repeats.
"""

import math

import pytest
import torch
from pack.samplers.batching import MicroBatch
from pack.samplers.kernels.glass import Glass
from pack.samplers.purse import Purse
from pack.samplers.resampling import RESAMPLERS
from pack.samplers.search.smc import SMC, TEMPERINGS

from .setups import KERNELS
from .world import MODES, WIDTH, denoise, task_of

LAM, END, COUNT, REPEATS = 2.0, 0.3, 400, 12
POWERS = (1, 2)  # moments of x compared


def exact(end, lam):
    """Moments of p(x_T) exp(-x0(x_T)/lam), by the rectangle rule on a grid wide enough."""
    x = torch.linspace(-6.0, 6.0, 20_001, dtype=torch.float64)
    var = ((1 - end) * WIDTH) ** 2 + end**2
    p = sum(w * torch.exp(-((x - (1 - end) * m) ** 2) / (2 * var)) for m, w in MODES)
    p = p * torch.exp(-denoise(x, end) / lam)
    return [float((x**k * p).sum() / p.sum()) for k in POWERS]


def weighted(search, kernel, steps, seed, lam_of_weights=None):
    """Moments under the particles' weights at the last step."""
    generator = torch.Generator().manual_seed(seed)

    def normal(ids):
        return torch.randn(len(ids), 1, generator=generator, dtype=torch.float64)

    task = task_of(
        denoiser=denoise,
        kernel=kernel,
        times=[1.0 + (END - 1.0) * i / (steps - 1) for i in range(steps)],
        start=normal,
        noise=normal,
        uniform=lambda i, n: torch.rand(n, generator=generator, dtype=torch.float64),
        objective=lambda x0: -x0[:, 0],
        purse=Purse(total=COUNT * (1 + (steps - 1) * max(1, kernel.inner))),
        batch=MicroBatch(COUNT),
    )
    task.on_made = lambda made: None  # 400 a step: the book would take longer than the search
    events = list(search.run(task))
    last = [event for event in events if event.kind == "propose"][-1]
    assert len(last.particles) == COUNT
    w, x = torch.softmax(last.log_w, 0), last.particles.x[:, 0]
    flat = [float((x**k).mean()) for k in POWERS]
    resampled = sum(event.kind == "resample" for event in events)
    return [float((w * x**k).sum()) for k in POWERS], flat, resampled


def errors(samples, wanted):
    """By how many standard errors of the repeats each moment is off."""
    samples = torch.tensor(samples, dtype=torch.float64)
    off = samples.mean(0) - torch.tensor(wanted, dtype=torch.float64)
    return (off / (samples.std(0) / math.sqrt(len(samples)))).abs().tolist()


def repeats(search, kernel=KERNELS["euler_maruyama"], steps=20):
    return [weighted(search, kernel, steps, seed) for seed in range(REPEATS)]


@pytest.mark.parametrize("tempering", TEMPERINGS)
@pytest.mark.parametrize("scheme", RESAMPLERS)
def test_the_weighted_particles_follow_the_tilted_law(scheme, tempering):
    runs = repeats(SMC(LAM, tempering, 1.0, scheme))
    assert all(resampled == 19 for *_, resampled in runs)
    assert max(errors([got for got, _, _ in runs], exact(END, LAM))) < 5


@pytest.mark.parametrize(
    "kernel, steps", [(KERNELS["eta"], 30), (Glass(5), 6)], ids=["eta", "glass"]
)
def test_so_they_do_by_another_kernel_resampled_now_and_then(kernel, steps):
    runs = repeats(SMC(LAM, ess_threshold=0.95), kernel, steps)
    assert all(0 < resampled < steps - 1 for *_, resampled in runs)
    assert max(errors([got for got, _, _ in runs], exact(END, LAM))) < 5


def test_without_its_weights_it_is_visibly_off():
    """Never resampled, the particles follow the model: only the weights bring in the reward."""
    runs = repeats(SMC(LAM, ess_threshold=0.0))
    assert max(errors([got for got, _, _ in runs], exact(END, LAM))) < 5
    flat = [flat for _, flat, _ in runs]
    assert max(errors(flat, exact(END, math.inf))) < 5
    assert min(errors(flat, exact(END, LAM))) > 20
