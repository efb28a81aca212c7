"""Run a program of tests/host/scripts in a process of its own."""

import atexit
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def run_script(name: str, comfyui: Path, *arguments: object, timeout: int = 300) -> Any:
    """The JSON value on the last line that a script prints.

    On Linux all scripts run in forks of one process, which imports ComfyUI for them.

    Args:
        name: the script's file name.
        comfyui: ComfyUI's folder; the script runs there.
        arguments: further arguments of the script.
        timeout: seconds.
    """
    run = forks(comfyui) if sys.platform == "linux" else functools.partial(alone, comfyui)
    status, output, errors = run(name, [str(part) for part in arguments], timeout)
    assert status == 0, f"exit status {status}: {errors[-3000:]}"
    return json.loads(output.splitlines()[-1])


def alone(comfyui: Path, name: str, arguments: list[str], timeout: int) -> tuple[int, str, str]:
    """Exit status, output and errors of a script in a process that imports ComfyUI itself."""
    command = [sys.executable, str(SCRIPTS / name), str(comfyui), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=comfyui, timeout=timeout)
    return done.returncode, done.stdout, done.stderr


@functools.cache
def forks(comfyui: Path) -> Callable[[str, list[str], int], tuple[int, str, str]]:
    """Start scripts/forks.py. Returns what runs a script in a fork of it, with the result of
    `alone`.

    It has one thread, since a fork has no other: torch would wait for those that are missing.
    """
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTS / "forks.py"), str(comfyui)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=comfyui,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    atexit.register(process.stdin.close)  # it ends then

    def run(name: str, arguments: list[str], timeout: int) -> tuple[int, str, str]:
        process.stdin.write(json.dumps([name, arguments, timeout]) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, f"scripts/forks.py ended with exit status {process.wait()}"
        return tuple(json.loads(answer))

    return run
