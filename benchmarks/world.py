"""The demo model without a server: twin networks, prompts and rewards, for fast measurements.

The twins compute what ComfyUI's networks compute (a test of the demo model compares them). So a
trajectory here is that of a workflow, up to rounding; only the first particle's noise differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..demo.data import load_decoder
from ..demo.scenes import COLOURS, held_out_prompts
from ..demo.taesd import narrowed
from ..demo.text import encode, parse
from ..demo.training.train_flux import Flux, load_flux
from ..rewards.count.colour_count import ColourCount
from ..rewards.count.colour_shapes import colour_counts
from ..samplers.flow import Flow
from ..samplers.guidance import AtX0, TorchGradients
from ..samplers.interpolants import INTERPOLANTS
from ..samplers.kernels import KERNELS
from ..samplers.lineage import Book
from ..samplers.lookahead import AUTOMATIC, LOOK, SHARP, blur
from ..samplers.noise import AddressedNoise
from ..samplers.purse import Prices, Purse
from ..samplers.rules import Finish, Outcome, StopRules
from ..samplers.run import check_budget, run
from ..samplers.schedules import model_times, split_window
from ..samplers.search import SEARCHES
from ..samplers.search.rounds import Search, minimum
from ..samplers.steering import Steering
from ..samplers.task import Task
from ..samplers.types import Denoiser, Kernel, Objective, Particles, SearchEvent
from .soft_counts import soft_counts

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (16, 16, 16)


@dataclass(frozen=True)
class Setting:
    """One row of a table: a method, its budget and its settings.

    Args:
        method: a key of SEARCHES.
        budget: NFE.
        steps: of the schedule.
        spacing: of the schedule.
        path: the interpolant.
        clock: the interpolant whose time is divided into steps.
        shape: of the diffusion.
        norm: of the diffusion.
        kernel: one step.
        inner: NFE of one step of GLASS.
        finish: ODE steps of the finish.
        top_k: particles that are finished.
        lookahead: ODE steps before a particle is scored; -1 is automatic.
        window_start: the time at which the search begins.
        window_end: the time at which it ends.
        options: (name, value) of the method's settings.
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
        """The times before the search window, and the times inside it."""
        times = model_times(self.steps, self.spacing, INTERPOLANTS[self.clock]())
        return split_window(times[:-1], self.window_start, self.window_end)

    def transition(self) -> Kernel:
        if self.kernel == "glass":
            return KERNELS[self.kernel](self.inner).build()
        path = INTERPOLANTS[self.path]()
        return KERNELS[self.kernel](path, self.shape, self.norm).build()


@dataclass(frozen=True)
class Helped(Setting):
    """A search in which `fast` looks ahead and finishes, whatever the model."""


@dataclass(frozen=True)
class Guided(Setting):
    """A search guided by the gradient of soft counts, which it does not score by.

    Args:
        strength: of x0 guidance with the schedule velocity.
    """

    strength: float = 0.1


class World:
    """The demo model's networks in this process; `weights` is fast, base or a file."""

    noisiest = 1.0  # the time at which its images begin

    def __init__(self, weights: str) -> None:
        torch.set_grad_enabled(False)
        torch.set_num_threads(1)
        named = ROOT / "demo" / f"flux_{weights}.safetensors"
        self.net = load_flux(named if named.exists() else Path(weights)).eval()
        self.helper = load_flux(ROOT / "demo" / "flux_fast.safetensors").eval()
        self.decoder = narrowed(load_decoder()).to(memory_format=torch.channels_last)

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        """Images (K,H,W,3) in [0, 1] of latents (K,16,16,16)."""
        rows = x0.to(memory_format=torch.channels_last)
        return self.decoder(rows).permute(0, 2, 3, 1).clamp(0, 1)

    def begin(self, noise: torch.Tensor, t: float) -> torch.Tensor:
        """Latents (K,16,16,16) of pure noise at the first time, from standard normal noise."""
        return t * noise

    def denoiser(self, prompt: str, net: Flux | None = None) -> Denoiser:
        """The denoiser (x (K,16,16,16), t) -> x0 of one prompt, by the world's own net if none."""
        tokens, pooled = encode([prompt])
        net = net or self.net

        def denoise(x: torch.Tensor, t: float) -> torch.Tensor:
            k = len(x)
            v = net(x, torch.full((k,), t), tokens.expand(k, -1, -1), pooled.expand(k, -1))
            return x - t * v

        return denoise

    def flow(self, prompt: str, setting: Setting, noise: AddressedNoise) -> Flow:
        """The trajectories of one search.

        Args:
            prompt: the prompt.
            setting: the search.
            noise: by particle id.
        """
        lead, times = setting.times()
        first, helped = (lead or times)[0], isinstance(setting, Helped)
        return Flow(
            self.denoiser(prompt),
            setting.transition(),
            times,
            lead=lead,
            start=lambda ids: self.begin(noise(ids), first),
            noise=noise,
            uniform=noise.uniform,
            look_denoiser=self.denoiser(prompt, self.helper) if helped else None,
            finish_denoiser=self.denoiser(prompt, self.helper) if helped else None,
        )

    def steering(self, prompt: str, setting: Setting) -> Steering | None:
        """What guides a search; None: nothing does."""
        if not isinstance(setting, Guided):
            return None
        gradients = TorchGradients(
            lambda x0: soft_counts(self.decode(x0), prompt), self.denoiser(prompt)
        )
        return Steering(AtX0(setting.strength, "velocity"), gradients)

    def find(self, prompt: str, setting: Setting, seed: int) -> tuple[torch.Tensor, dict]:
        """The best image (H,W,3) of a search, and its measures.

        Args:
            prompt: the prompt.
            setting: the search.
            seed: of the noise.
        """
        top, purse, events = self.search(prompt, setting, seed, rewards_of(self, prompt))
        best = top[0]
        picture = self.decode(best.clean)[0]
        return picture, judge(picture, prompt) | {
            "reward": float(best.reward),
            "nfe": purse.nfe,
            "accepted": sum(e.kind == "accept" for e in events),
        }

    def search(
        self,
        prompt: str,
        setting: Setting,
        seed: int,
        objective: Objective,
        maximum: float | None = None,
    ) -> tuple[list[Particles], Purse, list[SearchEvent]]:
        """The best particles of a search, what it spent, and its events.

        Args:
            prompt: the prompt.
            setting: the search.
            seed: of the noise.
            objective: scores latents.
            maximum: the score at which the search ends, None for none.
        """
        outcome, purse, book = Outcome(), Purse(total=setting.budget), Book()
        flow = self.flow(prompt, setting, AddressedNoise(seed, SHAPE))
        steering = self.steering(prompt, setting)
        task = Task(flow, purse, objective, lookahead=setting.lookahead, steering=steering,
                    on_made=book.add)  # fmt: skip
        search, finish = setting.search(), Finish(setting.finish, setting.top_k)
        finish, rules = finish.after(setting.lookahead), StopRules(maximum=maximum)
        needed = minimum(search, len(task.times), task.prices)
        check_budget(needed, len(task.times), finish, setting.budget, 1, task.prices)
        events = list(run(search, task, finish, rules, outcome, book.root))
        return outcome.top, purse, events


def rewards_of(world: World, prompt: str) -> Objective:
    """The reward of a search: decode, count, compare with the prompt."""
    scorer = ColourCount().load()
    return lambda x0: scorer.score(world.decode(x0), [prompt] * len(x0))


def judge(picture: torch.Tensor, prompt: str) -> dict[str, float]:
    """Whether the counts are exact, and their squared error, without the reward's tie-breaker."""
    names = list(COLOURS)
    expected = dict.fromkeys(names, 0)
    for count, colour, _ in parse(prompt):
        expected[names[colour]] += count
    shown = colour_counts(picture)
    colours = set(expected) | {c for c, n in shown.items() if n}
    rss = sum((expected.get(c, 0) - shown.get(c, 0)) ** 2 for c in colours)
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
