"""A search whose network and decoder sleep, and workers in which they do: for workers.py.

Everything else is real: kernels, noise, jobs, the foreman, Ray, and latents of the true size. There
is no ComfyUI in these workers, so its start, the loading of models and what ComfyUI itself does for
a call are not measured.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def without_comfyui(name: str) -> Any:
    """A module of nodes/ that needs no ComfyUI. It is imported without the nodes themselves.

    Args:
        name: after `pack.nodes.`.
    """
    if "pack.nodes" not in sys.modules:
        package = ModuleType("pack.nodes")
        package.__path__ = [str(ROOT / "nodes")]
        sys.modules["pack.nodes"] = package
    return importlib.import_module(f"pack.nodes.{name}")


def settings_of(
    side: int, network: float, rest: float, budget: int, seed: int = 0, **fields: Any
) -> Any:
    """What a task of the sleeping world is made of, by the fields of Task.

    Args:
        side: of the image in pixels.
        network, rest: seconds that an evaluation, and a decode with its score, sleep.
        budget: NFE.
        seed: of the noise.
        fields: further ones.
    """
    torch, samplers = importlib.import_module("torch"), "pack.samplers."
    noise_of = importlib.import_module(samplers + "noise").AddressedNoise
    flow_of = importlib.import_module(samplers + "flow").Flow
    kernel_of = importlib.import_module(samplers + "kernels.eta").Eta
    path_of = importlib.import_module(samplers + "interpolants.linear").Linear
    purse_of = importlib.import_module(samplers + "purse").Purse
    batch_of = importlib.import_module(samplers + "batching").MicroBatch
    noise = noise_of(seed, (16, side // 8, side // 8))

    def denoiser(x: Any, t: float) -> Any:
        time.sleep(network * len(x))
        return x * (1.0 - 0.5 * t)

    def objective(x0: Any) -> Any:
        """Numbers that look drawn at random: the fraction of a large multiple of the mean."""
        time.sleep(rest * len(x0))
        means = torch.stack([row.mean() for row in x0])  # a mean of all would round differently
        return (means.double() * 1e6).frac().abs().float()

    times = [1.0 - i / 10 for i in range(10)]
    flow = flow_of(denoiser, kernel_of(path_of(), "sigma", 1.0), times, noise, noise, noise.uniform)
    torch.set_num_threads(1)
    purse = purse_of(budget)
    return {"flow": flow, "purse": purse, "objective": objective, "batch": batch_of(1)} | fields


class SleepingWorker:
    """The actor of a worker, in place of Boot. This module is sent to it as it is.

    Args:
        root: folder of the pack.
        folder: unused.
    """

    def __init__(self, root: str, folder: str) -> None:
        runpy.run_path(os.path.join(root, "tools", "checkout.py"))
        here = importlib.import_module("pack.benchmarks.sleeping")
        self.lock = threading.Lock()
        self.packing = here.without_comfyui("workers.packing")
        self.settings_of = here.settings_of
        self.job = importlib.import_module("pack.samplers.crew.job")
        self.task_of = importlib.import_module("pack.samplers.task").Task

    def prepare(self, search: int, graph: dict[str, Any], sent: dict[str, Any]) -> dict[str, str]:
        """Make the task of a search.

        Args:
            search: its number.
            graph: nothing.
            sent: the arguments of `settings_of`.
        """
        self.task = self.task_of(**self.settings_of(**sent))
        return {"state": "ready", "where": "here"}

    def perform(self, packed: dict[str, Any]) -> dict[str, Any]:
        """The answer of a job. One at a time: Ray calls this in several threads."""
        with self.lock:
            answer = self.job.perform(self.task, self.packing.unpack_job(packed))
        return self.packing.pack_answer(answer) | {"images": ({}, {})}

    def pid(self) -> int:
        """The worker's process."""
        return os.getpid()

    def stop(self, search: int) -> None:
        """A search is over: nothing waits."""

    def close(self) -> None:
        """Nothing is kept."""
