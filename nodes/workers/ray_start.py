"""Ray itself: whether it is installed, and how it starts or joins a cluster.

Nothing else imports it, and this does not before a search has workers.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any

log = logging.getLogger("flow_search")
OLDEST = 2, 60  # Ray that is started on one computer has a token from here on
STARTS = 2  # attempts to start Ray: on a busy computer it may give up too soon
PATIENT = "604800"  # seconds; Ray ends its driver, this ComfyUI, so long after it lost its head
LONGEST = 400  # characters of an error of Ray that are shown
MISSING = (
    "Search Workers needs the package ray: got {}, expected 2.60 or newer. Run {} -m pip install "
    "--upgrade ray and restart ComfyUI."
)


class NotStarted(Exception):
    """Ray does not run. Its argument says why, on one line."""


def check_installed() -> None:
    """Refuse a Python without Ray, or with an old one. This does not import it."""
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        version = "none"
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    if tuple(numbers) < OLDEST:
        raise ValueError(MISSING.format(version, sys.executable))


@dataclass(frozen=True)
class Place:
    """Where workers run.

    Args:
        address: of a cluster; empty is this computer.
        count: how many workers; 0 is one for each free GPU of the cluster.
        gpu_share: of a GPU for each; 0 are CPU workers.
        gpus: that workers of this computer may have.
        arguments: of `Boot`, but for its folder.
    """

    address: str
    count: int
    gpu_share: float
    gpus: list[str]
    arguments: tuple[Any, ...]


@contextmanager
def only(gpus: Sequence[str]) -> Iterator[None]:
    """Show only some GPUs to the processes that start while the block runs."""
    name = "CUDA_VISIBLE_DEVICES"
    before = os.environ.get(name)
    os.environ[name] = ",".join(gpus)
    try:
        yield
    finally:
        os.environ.pop(name)
        os.environ |= {name: before} if before is not None else {}


def _start_here(ray: Any, place: Place) -> str:
    """Start Ray on this computer, for itself only. Returns the folder where it keeps its files.

    Raises:
        NotStarted: it does not start.
    """
    memory = (256 + 16 * place.count) << 20
    for _ in range(STARTS):
        try:
            with only(place.gpus):
                context = ray.init(
                    address="local", num_cpus=place.count, num_gpus=len(place.gpus),
                    object_store_memory=memory, include_dashboard=False, log_to_driver=False,
                    configure_logging=False,
                )  # fmt: skip
            return context.address_info["session_dir"]
        except Exception as error:  # Ray has no class of its own for this
            why = f"Ray did not start. It says: {shortened(error)}"
            log.warning(why)
            ray.shutdown()
    raise NotStarted(why)


def _join(ray: Any, address: str) -> None:
    """Join a cluster.

    Raises:
        ValueError: there is none.
    """
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"No Ray cluster answers at the address: got {address!r}, expected auto or host:port "
            f"of one that runs. Ray says: {shortened(error)}"
        ) from error


def shortened(error: Exception) -> str:
    """What an error of Ray says. It begins with what happened, and ends with the cause."""
    text = " ".join(str(error).split())
    return text if len(text) < LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def start(place: Place) -> tuple[Any, str]:
    """The module ray, as it runs at a place, and its folder if it was started for it.

    Raises:
        NotStarted: Ray does not start on this computer.
        ValueError: Ray is missing or old, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", PATIENT)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 would starve on a busy computer
    check_installed()
    ray = importlib.import_module("ray")
    if place.address:
        _join(ray, place.address)
        return ray, ""
    return ray, _start_here(ray, place)
