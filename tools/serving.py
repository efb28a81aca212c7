"""Run a ComfyUI on this machine, with this checkout as its only pack.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import client
from .installing import Host
from .processes import WINDOWS, Fail, running, say, tail, wait

ROOT = Path(__file__).resolve().parent.parent
GPU = (
    "import sys, torch; xpu = getattr(torch, 'xpu', None); sys.exit(not (torch.cuda.is_available()"
    " or torch.backends.mps.is_available() or (xpu and xpu.is_available())))"
)


def link(target: Path, place: Path) -> bool:
    """Link the folder `place` to `target`; False if the system allows no link."""
    with contextlib.suppress(OSError):
        if place.exists() and os.path.samefile(target, place):
            return True
        os.unlink(place)  # removes a link or a junction; a real folder stays
    try:
        os.symlink(target, place, target_is_directory=True)
        return True
    except OSError:
        command = ["cmd", "/c", "mklink", "/J", str(place), str(target)]
        return WINDOWS and subprocess.run(command, capture_output=True).returncode == 0


def furnish(base: Path, host: Host) -> None:
    """Make `base` a ComfyUI base directory with this checkout as its only pack."""
    for name in ("custom_nodes", "input", "output", "user"):
        (base / name).mkdir(parents=True, exist_ok=True)
    pack = base / "custom_nodes" / "flow-search"
    if not link(ROOT, pack):
        shutil.rmtree(pack, ignore_errors=True)
        shutil.copytree(ROOT, pack, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    if host.built or not link(host.path / "models", base / "models"):
        (base / "models").mkdir(exist_ok=True)


@contextlib.contextmanager
def server(
    host: Host, base: Path, log: Path, port: int = 0, extra: Sequence[str] = ()
) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run ComfyUI and yield its URL and process; it stops with the block.

    Args:
        host: the ComfyUI.
        base: its base directory.
        log: the file for its output.
        port: 0 takes a free one.
        extra: further options of ComfyUI.

    Raises:
        Fail: ComfyUI ended while starting, or did not answer in time.
    """
    probe = subprocess.run([str(host.python), "-c", GPU], capture_output=True)
    device = [] if probe.returncode == 0 else ["--cpu"]
    furnish(base, host)
    for attempt in range(3):
        chosen = port or free_port()
        command = [
            host.python, host.path / "main.py", "--listen", "127.0.0.1", "--port", chosen,
            "--base-directory", base, "--database-url", "sqlite:///:memory:", "--disable-api-nodes",
            "--disable-auto-launch", *device, *extra,
        ]  # fmt: skip
        say(f"Starting ComfyUI {'on the CPU' if device else 'on the GPU'} (about 10 seconds) ...")
        with open(log, "wb") as output, running(command, output, host.path) as process:
            if wait_for_answer(process, f"http://127.0.0.1:{chosen}"):
                yield f"http://127.0.0.1:{chosen}", process
                return
            if process.poll() is None:
                raise Fail(f"ComfyUI did not answer in time:\n{tail(log)}\n  All of it: {log}")
        taken = any(s in log.read_text("utf-8", "replace") for s in ("in use", "10048"))
        if port or not taken or attempt == 2:
            raise Fail(f"ComfyUI ended while starting:\n{tail(log)}\n  All of it: {log}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_answer(process: subprocess.Popen, url: str, seconds: float = 240.0) -> bool:
    """Wait until the server answers; False if it ended or the time is over.

    Args:
        process: the server.
        url: its address.
        seconds: how long to wait.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until and wait(process, 0.3) is None:
        with contextlib.suppress(client.ComfyError):
            client.Client(url).get("/system_stats", timeout=5)
            return process.poll() is None
    return False
