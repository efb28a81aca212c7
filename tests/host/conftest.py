"""A real ComfyUI on the CPU, with the pack in a folder of an odd name, driven over its HTTP API."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pack.tools.client import Client, ComfyError
from pack.tools.installing import lock
from pack.tools.serving import free_port, link

ROOT = Path(__file__).resolve().parents[2]
ODD_NAME = "weird.name-1"
HOST = "0.30.0"  # the version of which the tables are
ELSEWHERE = "elsewhere"  # where extra_model_paths.yaml has rewards


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The host's folder."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH is not set: run `python dev.py test`")
    return Path(os.environ["COMFYUI_PATH"])


@pytest.fixture(scope="session")
def swapping(comfyui, tmp_path_factory) -> dict:
    """What swapping.py saw, in a process of its own; once for all workers of a run."""
    run, own = os.environ.get("PYTEST_XDIST_TESTRUNUID"), tmp_path_factory.getbasetemp()
    place = own.parent / f"swapping_{run}.json" if run else own / "swapping.json"
    with lock(place.with_suffix(".lock")):
        if not place.exists():
            command = [sys.executable, ROOT / "tests" / "host" / "swapping.py", comfyui, ROOT]
            done = subprocess.run(
                [str(part) for part in command],
                capture_output=True,
                text=True,
                cwd=comfyui,
                timeout=300,
            )
            assert done.returncode == 0, done.stderr[-3000:]
            place.write_text(done.stdout.splitlines()[-1], "utf-8")
    return json.loads(place.read_text("utf-8"))


class Host:
    """A running server, its process, and what it printed."""

    def __init__(self, url: str, base: Path, log: Path, process: subprocess.Popen) -> None:
        self.client, self.base, self.log, self.process = Client(url), base, log, process

    def run(self, prompt: dict, workflow: dict | None = None) -> dict:
        """Outputs of a prompt by node id; a failure raises ComfyError with its sentence."""
        prompt_id = self.client.queue(prompt, workflow)
        until = time.monotonic() + 300
        while time.monotonic() < until:
            entry = self.client.get(f"/history/{prompt_id}").get(prompt_id)
            if entry is not None:
                for kind, data in entry["status"]["messages"]:
                    if kind == "execution_error":
                        raise ComfyError(data["exception_message"].strip())
                return entry["outputs"]
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text()[-2000:])

    def probe(self, prompt: dict, node: str = "probe") -> dict:
        return json.loads(self.run(prompt)[node]["probe"][0])


@contextlib.contextmanager
def serving(comfyui, base, *options):
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
            for _ in range(600):
                if process.poll() is not None:
                    raise RuntimeError(log.read_text()[-4000:])
                with contextlib.suppress(ComfyError):
                    running.client.get("/system_stats")
                    break
                time.sleep(0.2)
            yield running
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def host(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("base")
    for name in ("custom_nodes", "models", "input", "output", "user", ELSEWHERE):
        (base / name).mkdir()
    paths = base / "extra_model_paths.yaml"  # JSON is YAML
    paths.write_text(json.dumps({"ours": {"base_path": str(base), "rewards": f"{ELSEWHERE}/\n"}}))
    assert link(ROOT, base / "custom_nodes" / ODD_NAME)
    assert link(ROOT / "tests" / "host" / "probe", base / "custom_nodes" / "probe")
    with serving(comfyui, base, "--extra-model-paths-config", str(paths)) as running:
        yield running


@pytest.fixture(scope="session")
def version(host):
    found = host.client.get("/system_stats")["system"]["comfyui_version"]
    if found != HOST:
        pytest.skip(f"told of ComfyUI {HOST}, this is {found}")
    return found
