"""What the node Search Workers (Ray) says about the workers of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class WorkerSettings:
    """Where workers run, and how many.

    Args:
        address, workers, gpu_share, own_gpu, rows, speculate, keep_minutes: as in the tooltips.
    """

    address: str = field(
        default="",
        metadata={
            "tooltip": "Empty starts Ray on this computer. auto or host:port joins a running Ray "
            "cluster that this computer is in.",
        },
    )
    workers: int = field(
        default=0,
        metadata={
            "min": 0,
            "max": 1024,
            "tooltip": "How many workers. 0: one for each free GPU.",
        },
    )
    gpu_share: float = field(
        default=1.0,
        metadata={
            "min": 0.0,
            "max": 1.0,
            "tooltip": "Share of a GPU for each worker. Below 1 several workers use one. 0 is the "
            "CPU.",
        },
    )
    own_gpu: bool = field(
        default=True,
        metadata={
            "tooltip": "This ComfyUI evaluates particles, too. Workers get the other GPUs. Off: it "
            "waits for workers.",
        },
    )
    rows: int = field(
        default=1,
        metadata={
            "min": 1,
            "max": 64,
            "tooltip": "Particles of one network call. Results may differ by rounding, not "
            "with the number of workers.",
        },
    )
    speculate: bool = field(
        default=True,
        metadata={
            "advanced": True,
            "tooltip": "Evaluate ahead what the search will probably ask for. What it does not use "
            "is reported as discarded.",
        },
    )
    keep_minutes: float = field(
        default=10.0,
        metadata={
            "min": 0.0,
            "max": 10_000.0,
            "advanced": True,
            "tooltip": "Minutes without a search after which the workers end and free their "
            "memory. 0 ends them with the search.",
        },
    )

    @property
    def settings(self) -> dict[str, Any]:
        """As report entries."""
        return dict(vars(self))
