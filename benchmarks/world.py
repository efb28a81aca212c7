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
from pack.demo.train_flux import load_flux  # noqa: E402
from pack.rewards.colour_count import ColourCount  # noqa: E402
from pack.rewards.colour_shapes import colour_counts  # noqa: E402
from pack.samplers.change_path import ChangePath  # noqa: E402
from pack.samplers.diffusions import Diffusion  # noqa: E402
from pack.samplers.interpolants import INTERPOLANTS  # noqa: E402
from pack.samplers.interpolants.linear import Linear  # noqa: E402
from pack.samplers.kernels import KERNELS  # noqa: E402
from pack.samplers.ledger import Ledger  # noqa: E402
from pack.samplers.noise import AddressedNoise  # noqa: E402
from pack.samplers.problem import Problem  # noqa: E402
from pack.samplers.run import Finish, Outcome, StopRules, run  # noqa: E402
from pack.samplers.search import SEARCHES  # noqa: E402

SHAPE = (16, 16, 16)


@dataclass(frozen=True)
class Setting:
    """One row of a table: method, budget and everything that shapes it."""

    method: str = "rbf"
    budget: int = 100
    steps: int = 10
    spacing: str = "exp"
    path: str = "vp"
    clock: str = "vp"
    shape: str = "square"
    norm: float = 3.0
    kernel: str = "euler_maruyama"
    finish: int = 4
    top_k: int = 1
    init: int = 8
    paths: int = 1

    def search(self) -> object:
        if self.method == "rbf":
            return SEARCHES["rbf"](init_particles=self.init, paths=self.paths)
        return SEARCHES[self.method]()

    def times(self) -> list[float]:
        from pack.samplers.schedules import model_times

        return model_times(self.steps, self.spacing, INTERPOLANTS[self.clock]())


class World:
    """The demo model's networks in this process."""

    def __init__(self, weights: str) -> None:
        torch.set_grad_enabled(False)
        torch.set_num_threads(1)
        named = ROOT / "demo" / f"flux_{weights}.safetensors"
        self.net = load_flux(named if named.exists() else Path(weights)).eval()
        self.decoder = narrowed(load_decoder())

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        """(K,H,W,3) in [0,1]."""
        return self.decoder(x0).permute(0, 2, 3, 1).clamp(0, 1)

    def find(self, prompt: str, setting: Setting, seed: int) -> tuple[torch.Tensor, dict]:
        """The picture (H,W,3) found, and what it is worth."""
        tokens, pooled = encode([prompt])
        scorer = ColourCount().load()

        def denoise(x: torch.Tensor, t: float) -> torch.Tensor:
            k = len(x)
            v = self.net(x, torch.full((k,), t), tokens.expand(k, -1, -1), pooled.expand(k, -1))
            return x - t * v

        def objective(x0: torch.Tensor) -> torch.Tensor:
            return scorer.score(self.decode(x0), [prompt] * len(x0))

        path, times = INTERPOLANTS[setting.path](), setting.times()
        kernel = KERNELS[setting.kernel](path, Diffusion(setting.shape, setting.norm))
        noise, outcome = AddressedNoise(seed, SHAPE), Outcome()
        problem = Problem(
            denoise,
            ChangePath(kernel, path, Linear()),
            times[:-1],
            start=lambda ids: times[0] * noise(ids),
            noise=noise,
            objective=objective,
            ledger=Ledger(total=setting.budget),
        )
        finish = Finish(setting.finish, setting.top_k)
        events = list(run(setting.search(), problem, finish, StopRules(), outcome))
        best = outcome.top[0]
        picture = self.decode(best.x0)[0]
        return picture, judge(picture, prompt) | {
            "reward": float(best.reward),
            "nfe": problem.ledger.nfe,
            "accepted": sum(e.kind == "accept" for e in events),
        }


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


__all__ = ["ROOT", "Setting", "World", "held_out_prompts", "judge"]
