"""Several GPUs of one machine: the rows of one call, over the clones that the host makes.

The host's node MultiGPU CFG Split puts clones of a model on other devices. The host itself splits a
call by its conditions alone, so that with CFG 1 one device works. Here rows are split as well. A
host before 0.30 makes no clones, and then nothing is split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

KEY = "multigpu"  # of clones among the models that belong to a patcher (comfy/multigpu.py:126)


def count_devices(guiders: Iterable[Any]) -> int:
    """How many devices each of some guiders has a copy of its model on, at least."""
    clones = (g.model_patcher.get_additional_models_with_key(KEY) for g in guiders)
    return min(1 + len(models) for models in clones)


def split_rows(devices: int, least: int = 1) -> Callable:
    """A wrapper of CALC_COND_BATCH that gives each device an equal part of the rows.

    Parts are those of `MicroBatch.places`. A single particle is left to the host, which splits its
    conditions. So are conditions with hooks, since these patch the weights of all devices together.

    Args:
        devices: 1 leaves all rows on the first device, as a replay needs it.
        least: rows of one particle.
    """

    def split(
        execute: Callable, model: Any, conds: list, x: Tensor, timestep: Tensor, options: dict
    ) -> list[Tensor]:
        clones, pool = options.get("multigpu_clones"), options.get("multigpu_thread_pool")
        hooked = any(cond.get("hooks") for entries in conds for cond in entries or ())
        if pool is None or len(x) <= least or hooked:
            return execute(model, conds, x, timestep, options)
        inference, size = torch.is_inference_mode_enabled(), -(-len(x) // min(devices, len(clones)))
        parts = list(zip(clones, range(0, len(x), size), strict=False))
        for device, first in parts:
            rows = slice(first, first + size)
            alone = {key: options[key] for key in options if key != "multigpu_thread_pool"}
            alone["multigpu_clones"] = {device: clones[device]}  # the host then splits no further
            call = model, conds, x[rows], timestep[rows], alone
            pool.submit(device, _inferring, inference, execute, *call)
        answers = [pool.get_result(device) for device, _ in parts]  # all, before one is raised
        for _, error in answers:
            if error is not None:
                raise error
        return [torch.cat(rows) for rows in zip(*(outs for outs, _ in answers), strict=True)]

    return split


def _inferring(inference: bool, execute: Callable, *call: Any) -> list[Tensor]:
    """A call in the mode of the thread that asks for it, since each thread has its own."""
    with torch.inference_mode(inference):
        return execute(*call)
