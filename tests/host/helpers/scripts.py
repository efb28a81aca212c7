"""Run a program of tests/host/scripts in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def run_script(name: str, comfyui: Path, *arguments: object, timeout: float = 3000) -> Any:
    """The JSON value on the last line that a script prints.

    Args:
        name: the script's file name.
        comfyui: ComfyUI's folder; the script runs there.
        arguments: further arguments of the script.
        timeout: seconds.
    """
    command = [sys.executable, SCRIPTS / name, comfyui, *arguments]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=comfyui,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
