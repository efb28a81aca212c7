"""A real ComfyUI on the CPU, driven over its HTTP API."""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..client import Client, ComfyError
from ..installing import NEWEST
from ..serving import free_port, link, wait_for_answer

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).resolve().parent / "probe"
ODD_NAME = "weird.name-1"  # the folder of the pack in the server
PATIENCE = 600  # seconds; a busy machine is slow
__all__ = ["NEWEST", "ODD_NAME", "ROOT", "Host", "furnish", "serving"]


class Host:
    """A running server, its process, and what it printed.

    Args:
        url: its address.
        base: its base directory.
        log: the file for its output.
        process: of the server.
    """

    def __init__(self, url: str, base: Path, log: Path, process: subprocess.Popen) -> None:
        self.client, self.base, self.log, self.process = Client(url), base, log, process

    @functools.cached_property
    def object_info(self) -> dict:
        """What the nodes take, as it was when first asked: files may have come since."""
        return self.client.get("/object_info")

    def run(self, prompt: dict, workflow: dict | None = None) -> dict:
        """Outputs of a prompt by node id; a failure raises ComfyError with its sentence."""
        prompt_id = self.client.queue(prompt, workflow)
        until, pause = time.monotonic() + PATIENCE, 0.005
        while time.monotonic() < until:
            entry = self.client.get(f"/history/{prompt_id}").get(prompt_id)
            if entry is not None:
                for kind, data in entry["status"]["messages"]:
                    if kind == "execution_error":
                        raise ComfyError(data["exception_message"].strip())
                return entry["outputs"]
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        raise TimeoutError(self.log.read_text()[-2000:])

    @contextlib.contextmanager
    def new_log(self) -> Iterator[list[str]]:
        """The lines that the server logs while the block runs; the list fills at its end."""
        before, lines = len(self.log.read_text()), []
        yield lines
        lines += self.log.read_text()[before:].splitlines()

    def probe(self, prompt: dict, node: str = "probe") -> dict:
        return self.read_probe(self.run(prompt), node)

    @staticmethod
    def read_probe(outputs: dict, node: str = "probe") -> dict:
        """What a probe shows among a prompt's outputs."""
        return json.loads(outputs[node]["probe"][0])


def furnish(base: Path, probe: Path = PROBE) -> None:
    """Make `base` a base directory with the pack in a folder of an odd name, and a second pack.

    Args:
        base: the directory.
        probe: the second pack.
    """
    for name in ("custom_nodes", "models", "input", "output", "user"):
        (base / name).mkdir(parents=True, exist_ok=True)
    assert link(ROOT, base / "custom_nodes" / ODD_NAME)
    assert link(probe, base / "custom_nodes" / "probe")


@contextlib.contextmanager
def serving(comfyui: Path, base: Path, *options: str) -> Iterator[Host]:
    """A server of the ComfyUI at `comfyui` on a base directory, as long as the block runs."""
    log, port = base / "server.log", free_port()
    command = [
        sys.executable, str(comfyui / "main.py"), "--cpu", "--listen", "127.0.0.1",
        "--port", str(port), "--base-directory", str(base), "--disable-api-nodes",
        "--disable-auto-launch", "--database-url", "sqlite:///:memory:", *options,
    ]  # fmt: skip
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=comfyui)
        try:
            running = Host(f"http://127.0.0.1:{port}", base, log, process)
            if not wait_for_answer(process, running.client.url, PATIENCE):
                raise RuntimeError(log.read_text()[-4000:])
            yield running
        finally:
            process.kill()
            process.wait()
