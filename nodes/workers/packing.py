"""Jobs and answers on the wire: dictionaries of numbers, texts and NumPy arrays.

Classes of the pack have another module name on each machine, so none is sent. Without a lookahead
the clean latents of particles are their x0, and are not sent a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...samplers.crew.job import Answer, Job
from ...samplers.purse import Spent
from ...samplers.types import Particles

Packed = dict[str, Any]
PLAIN = ("kind", "ids", "family", "step", "rows", "score", "nodes", "radius")
LATENTS = ("x", "x0", "clean")
COLUMNS = (*LATENTS, "reward")


def array(tensor: Tensor | None) -> np.ndarray | None:
    """A tensor as an array in the memory of the CPU."""
    return None if tensor is None else tensor.detach().cpu().numpy()


def tensor(values: np.ndarray | None, device: torch.device | str = "cpu") -> Tensor | None:
    """The tensor of an array. It is a copy, since arrays from a worker cannot be changed."""
    return None if values is None else torch.tensor(values).to(device)


def pack_job(job: Job) -> Packed:
    """A job as a dictionary."""
    packed = {name: getattr(job, name) for name in PLAIN}
    packed |= {"boxes": [tuple(box) for box in job.boxes], "x": array(job.x)}
    packed["parents"] = _pack_particles(job.parents)
    packed["ancestors"] = _pack_particles(job.ancestors)
    return packed


def unpack_job(packed: Mapping[str, Any], device: torch.device | str = "cpu") -> Job:
    """A job from its dictionary."""
    parents, ancestors = (
        _unpack_particles(packed[name], device) for name in ("parents", "ancestors")
    )
    plain = {name: packed[name] for name in PLAIN}
    x = tensor(packed["x"], device)
    return Job(**plain, x=x, boxes=packed["boxes"], parents=parents, ancestors=ancestors)


def pack_answer(answer: Answer) -> Packed:
    """An answer as a dictionary."""
    packed = _pack_columns(answer, COLUMNS)
    spent = {name: plain(value) for name, value in vars(answer.spent).items()}
    places = [tuple(place) for place in answer.places]
    return packed | {"spent": spent, "places": places, "failed": dict(answer.failed)}


def plain(value: Any) -> Any:
    """A mapping as a dictionary; another value as it is."""
    return dict(value) if isinstance(value, Mapping) else value


def unpack_answer(packed: Mapping[str, Any], device: torch.device | str = "cpu") -> Answer:
    """An answer from its dictionary. Rewards stay on the CPU."""
    columns = _unpack_columns(packed, COLUMNS, device)
    images = [{i: tensor(x) for i, x in kept.items()} for kept in packed["images"]]
    return Answer(**columns, spent=Spent(**packed["spent"]), places=packed["places"],
                  failed=packed["failed"], images=images)  # fmt: skip


def _pack_particles(particles: Particles | None) -> Packed | None:
    if particles is None:
        return None
    return _pack_columns(particles, [f.name for f in fields(particles)])


def _unpack_particles(packed: Packed | None, device: torch.device | str) -> Particles | None:
    return None if packed is None else Particles(**_unpack_columns(packed, packed, device))


def _pack_columns(rows: Answer | Particles, names: Iterable[str]) -> Packed:
    """Columns of particles as arrays.

    Args:
        rows: has the columns.
        names: of the columns. `clean` is None if it is the same as `x0`.
    """
    packed = {name: array(getattr(rows, name)) for name in names}
    same = packed["x0"].tobytes() == packed["clean"].tobytes()  # 0 and -0 differ
    return packed | ({"clean": None} if same else {})


def _unpack_columns(
    packed: Packed, names: Iterable[str], device: torch.device | str
) -> dict[str, Tensor]:
    """Columns of particles from arrays.

    Args:
        packed: as `_pack_columns` made them.
        names: of the columns.
        device: of the latents. Other columns stay on the CPU.
    """
    columns = {name: tensor(packed[name], device if name in LATENTS else "cpu") for name in names}
    return columns | ({"clean": columns["x0"]} if columns["clean"] is None else {})
