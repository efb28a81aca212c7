"""The demo model without a server: twin networks, prompts and rewards, for fast measurements.

The twins equal ComfyUI's own networks (tests/demo/test_flux_twin.py), so a trajectory here is the
one a workflow gives, up to float rounding; the noise of the first particle differs.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent

if "pack" not in sys.modules:
    spec = importlib.util.spec_from_file_location(
        "pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["pack"] = module
    spec.loader.exec_module(module)

from pack.demo.data import load_decoder  # noqa: E402
from pack.demo.scenes import COLOURS, held_out_prompts  # noqa: E402
from pack.demo.taesd import narrowed  # noqa: E402
from pack.demo.text import encode, parse  # noqa: E402
from pack.demo.training.train_flux import load_flux  # noqa: E402
from pack.rewards.count.colour_count import ColourCount  # noqa: E402
from pack.rewards.count.colour_shapes import colour_counts  # noqa: E402
from pack.samplers.flow import Flow  # noqa: E402
from pack.samplers.interpolants import INTERPOLANTS  # noqa: E402
from pack.samplers.kernels import KERNELS  # noqa: E402
from pack.samplers.lookahead import AUTOMATIC, LOOK, SHARP, blur  # noqa: E402
from pack.samplers.noise import AddressedNoise  # noqa: E402
from pack.samplers.purse import Prices, Purse  # noqa: E402
from pack.samplers.replay import Book  # noqa: E402
from pack.samplers.run import Finish, Outcome, StopRules, check_budget, run  # noqa: E402
from pack.samplers.schedules import model_times, split_window  # noqa: E402
from pack.samplers.search import SEARCHES  # noqa: E402
from pack.samplers.search.rounds import Search, minimum  # noqa: E402
from pack.samplers.task import Task  # noqa: E402
from pack.samplers.types import Denoiser, Kernel, Objective  # noqa: E402

SHAPE = (16, 16, 16)


@dataclass(frozen=True)
class Setting:
    """One row of a table: method, budget and everything that shapes it.

    `options` are the method's own settings, as (name, value) pairs.
    """

    method: str = "rbf"
    budget: int = 100
    steps: int = 10
    spacing: str = "exp"
    path: str = "vp"
    clock: str = "vp"
    shape: str = "square"
    norm: float = 3.0
    kernel: str = "euler_maruyama"
    inner: int = 3
    finish: int = 4
    top_k: int = 1
    lookahead: int = 0
    window_start: float = 1.0
    window_end: float = 0.0
    options: tuple[tuple[str, object], ...] = ()

    def search(self) -> Search:
        return SEARCHES[self.method](**dict(self.options))

    def times(self) -> tuple[list[float], list[float]]:
        """The times before the search window, and those inside."""
        times = model_times(self.steps, self.spacing, INTERPOLANTS[self.clock]())
        return split_window(times[:-1], self.window_start, self.window_end)

    def transition(self) -> Kernel:
        if self.kernel == "glass":
            return KERNELS[self.kernel](self.inner).build()
        path = INTERPOLANTS[self.path]()
        return KERNELS[self.kernel](path, self.shape, self.norm).build()


class World:
    """The demo model's networks in this process."""

    def __init__(self, weights: str) -> None:
        torch.set_grad_enabled(False)
        torch.set_num_threads(1)
        named = ROOT / "demo" / f"flux_{weights}.safetensors"
        self.net = load_flux(named if named.exists() else Path(weights)).eval()
        self.decoder = narrowed(load_decoder()).to(memory_format=torch.channels_last)

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        """(K,H,W,3) in [0,1]."""
        rows = x0.to(memory_format=torch.channels_last)
        return self.decoder(rows).permute(0, 2, 3, 1).clamp(0, 1)

    def denoiser(self, prompt: str) -> Denoiser:
        """(x (K,16,16,16), t) -> x0, for one caption."""
        tokens, pooled = encode([prompt])

        def denoise(x: torch.Tensor, t: float) -> torch.Tensor:
            k = len(x)
            v = self.net(x, torch.full((k,), t), tokens.expand(k, -1, -1), pooled.expand(k, -1))
            return x - t * v

        return denoise

    def find(self, prompt: str, setting: Setting, seed: int) -> tuple[torch.Tensor, dict]:
        """The picture (H,W,3) found, and what it is worth."""
        denoise, objective = self.denoiser(prompt), rewards_of(self, prompt)
        lead, times = setting.times()
        first = (lead or times)[0]
        noise, outcome = AddressedNoise(seed, SHAPE), Outcome()
        flow = Flow(
            denoise,
            setting.transition(),
            times,
            lead=lead,
            start=lambda ids: first * noise(ids),
            noise=noise,
            uniform=noise.uniform,
        )
        purse, book = Purse(total=setting.budget), Book()
        task = Task(flow, purse, objective, lookahead=setting.lookahead, on_made=book.add)
        search, finish = setting.search(), Finish(setting.finish, setting.top_k)
        finish = finish.after(setting.lookahead)
        needed = minimum(search, len(times), task.prices)
        check_budget(needed, len(times), finish, setting.budget, 1, task.prices)
        events = list(run(search, task, finish, StopRules(), outcome, book.root))
        best = outcome.top[0]
        picture = self.decode(best.clean)[0]
        return picture, judge(picture, prompt) | {
            "reward": float(best.reward),
            "nfe": purse.nfe,
            "accepted": sum(e.kind == "accept" for e in events),
        }


def rewards_of(world: World, prompt: str) -> Objective:
    """The reward a search sees: decode, count, compare with the caption."""
    scorer = ColourCount().load()
    return lambda x0: scorer.score(world.decode(x0), [prompt] * len(x0))


def judge(picture: torch.Tensor, prompt: str) -> dict[str, float]:
    """Exactness and RSS by the counter alone, without the reward's tie-breaking term."""
    names = list(COLOURS)
    asked = dict.fromkeys(names, 0)
    for count, colour, _ in parse(prompt):
        asked[names[colour]] += count
    found = colour_counts(picture)
    every = set(asked) | {c for c, n in found.items() if n}
    rss = sum((asked.get(c, 0) - found.get(c, 0)) ** 2 for c in every)
    return {"exact": float(rss == 0), "rss": float(rss)}


__all__ = [
    "AUTOMATIC",
    "LOOK",
    "ROOT",
    "SEARCHES",
    "SHARP",
    "Finish",
    "Prices",
    "Setting",
    "World",
    "blur",
    "held_out_prompts",
    "judge",
    "rewards_of",
]
