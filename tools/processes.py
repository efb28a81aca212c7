"""Child processes of `python dev.py`; none outlives it.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

WINDOWS = sys.platform == "win32"


class Fail(Exception):
    """What went wrong and what to do, for the user to read."""


def say(text: str) -> None:
    print(text, flush=True)


def die_with_parent() -> None:
    """Kill this Linux child when its parent ends, even by SIGKILL (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@contextlib.contextmanager
def running(command: Sequence, output: IO, cwd: Path | None = None) -> Iterator[subprocess.Popen]:
    """Run a process in its own group, and end the group with the block.

    Args:
        command: the program and its arguments.
        output: the file for stdout and stderr.
        cwd: the folder to run in; None for this one.
    """
    unwanted = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    process = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
        stderr=subprocess.STDOUT, env=env | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        start_new_session=not WINDOWS,
        creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if WINDOWS else 0,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,
    )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    """End a process and its group: politely, after 5 seconds by force."""
    if WINDOWS:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True)
        process.wait()
        return
    try:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(5)
    finally:  # also when a second Ctrl-C cuts the wait short
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, indented."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def wait(process: subprocess.Popen, seconds: float) -> int | None:
    """The exit status, or None if the process still runs after `seconds`."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
