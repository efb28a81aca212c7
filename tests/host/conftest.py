"""A real ComfyUI on the CPU, with the pack in a folder of an odd name, driven over its HTTP API."""

import json
import os
from pathlib import Path

import pytest
from pack.benchmarks.host_cases import page
from pack.tools.installing import lock
from pack.tools.probing.server import NEWEST, furnish, serving

from .helpers import PROBE
from .helpers.browser import browser_tools
from .helpers.scripts import run_script

ELSEWHERE = "elsewhere"  # where extra_model_paths.yaml has rewards


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The host's folder."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH is not set: run `python dev.py test`")
    return Path(os.environ["COMFYUI_PATH"])


@pytest.fixture(scope="session")
def swapping(comfyui, tmp_path_factory) -> dict:
    """What scripts/swapping.py reports; it runs once for all workers of a test run."""
    run, base = os.environ.get("PYTEST_XDIST_TESTRUNUID"), tmp_path_factory.getbasetemp()
    place = base.parent / f"swapping_{run}.json" if run else base / "swapping.json"
    with lock(place.with_suffix(".lock")):
        if not place.exists():
            place.write_text(json.dumps(run_script("swapping.py", comfyui)), "utf-8")
    return json.loads(place.read_text("utf-8"))


@pytest.fixture(scope="session")
def host(comfyui, tmp_path_factory):
    base = tmp_path_factory.mktemp("base")
    furnish(base, PROBE)
    (base / ELSEWHERE).mkdir()
    paths = base / "extra_model_paths.yaml"  # JSON is YAML
    paths.write_text(json.dumps({"ours": {"base_path": str(base), "rewards": f"{ELSEWHERE}/\n"}}))
    with serving(comfyui, base, "--extra-model-paths-config", str(paths)) as running:
        yield running


@pytest.fixture(scope="session")
def version(host):
    found = host.client.get("/system_stats")["system"]["comfyui_version"]
    if found != NEWEST:
        pytest.skip(f"the page is made with ComfyUI {NEWEST}, this is {found}")
    return found


@pytest.fixture
def same_row(host):
    """Compare a row that a test measured with the one in benchmarks/results/models.json."""
    version = host.client.get("/system_stats")["system"]["comfyui_version"]

    def compare(table, row):
        names = row.get("what"), row["model"]
        rows = {(kept.get("what"), kept["model"]): kept for kept in page.stored()[table]}
        if version == NEWEST:
            assert row == rows.get(names), "run `python dev.py write models`"

    return compare


@pytest.fixture(scope="session")
def tools():
    """Node.js, its modules, and a Chromium."""
    return browser_tools()
