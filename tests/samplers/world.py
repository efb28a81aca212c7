"""The toy world of the sampler tests: a two-mode Gaussian mixture whose denoiser is exact.

Modes at -1 (weight .3) and 2 (weight .7), width .2, on the linear path: asymmetric, so that a
reversed sign of a reward or of a step shows.
"""

import math
from dataclasses import dataclass, field, fields, replace

import torch
from pack.samplers.batching import MicroBatch
from pack.samplers.flow import Flow
from pack.samplers.lineage import Book
from pack.samplers.noise import AddressedNoise
from pack.samplers.purse import Purse
from pack.samplers.task import Task

MODES = ((-1.0, 0.3), (2.0, 0.7))
WIDTH = 0.2
torch.set_num_threads(1)  # the tensors are tiny: threads would only wait for one another


def denoise(x, t):
    """E[x0 | x_t] on the linear path, x of any shape."""
    (low, light), (high, heavy) = MODES
    alpha, sigma = 1.0 - t, t
    var = alpha**2 * WIDTH**2 + sigma**2
    # Of two modes of one width the log odds are linear in x.
    middle, slope = alpha * (low + high) / 2, alpha * (high - low) / var
    share = torch.sigmoid(slope * (x - middle) + math.log(heavy / light))
    gain = alpha * WIDTH**2 / var
    return gain * x + (1.0 - gain * alpha) * (low + (high - low) * share)


def marginal_sample(n, t, generator):
    """Exact samples of x_t on the linear path, (n,) float64."""
    mode = torch.rand(n, generator=generator, dtype=torch.float64) < MODES[0][1]
    centre = torch.where(mode, MODES[0][0], MODES[1][0]).double()
    x0 = centre + WIDTH * torch.randn(n, generator=generator, dtype=torch.float64)
    return (1 - t) * x0 + t * torch.randn(n, generator=generator, dtype=torch.float64)


class Counter:
    """A denoiser that counts the rows it sees."""

    def __init__(self, denoiser=denoise):
        self.denoiser, self.rows, self.calls = denoiser, 0, 0

    def __call__(self, x, t):
        self.rows += len(x)
        self.calls += 1
        return self.denoiser(x, t)


@dataclass
class Kept(Task):
    """A task whose particles' lineage is kept."""

    book: Book = field(default_factory=Book)

    def __post_init__(self):
        super().__post_init__()
        self.on_made = self.book.add

    def change(self, **flow):
        """Have parts of the flow be others."""
        self.flow = replace(self.flow, **flow)
        super().__post_init__()


FLOW = [f.name for f in fields(Flow)]


def task_of(**settings):
    """A task from the fields of Flow and of Task."""
    flow = {name: settings.pop(name) for name in FLOW if name in settings}
    settings.setdefault("purse", Purse())
    return Kept(flow=Flow(**flow), **settings)


def new_task(kernel, times, *, budget=math.inf, objective=None, seed=0, shape=(3,), **settings):
    """A task on the mixture with `shape` independent dimensions a particle; `settings` are those of
    Flow and Task."""
    noise, first = AddressedNoise(seed, shape), [*settings.get("lead", ()), *times][0]
    batch = MicroBatch(settings.pop("micro_batch", 0))
    own = {
        "denoiser": denoise,
        "start": lambda ids: first * noise(ids),
        "noise": noise,
        "uniform": noise.uniform,
    }
    return task_of(
        kernel=kernel,
        times=times,
        purse=Purse(total=budget, cost=settings.pop("cost", 1)),
        batch=settings.pop("batch", batch),
        objective=objective or (lambda x0: x0.mean(1).float()),
        **own | settings,
    )
