"""The panel in ComfyUI's own front-end, in a headless Chromium."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def tools():
    """Node.js, its modules, and a Chromium."""
    node, modules = shutil.which("node"), os.environ.get("FLOW_SEARCH_JS", "")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if node is None or browser is None:
        pytest.skip("the test of the panel in a browser needs Node.js and Chromium")
    if not (Path(modules) / "playwright-core").is_dir():
        pytest.skip("FLOW_SEARCH_JS names no folder with playwright-core: run `python dev.py test`")
    return node, modules, browser


def test_the_panel(host, tools, tmp_path):
    """tests/browser/panel.mjs, whose screenshots are kept in FLOW_SEARCH_SHOTS if that is set."""
    node, modules, browser = tools
    shots = Path(os.environ.get("FLOW_SEARCH_SHOTS", tmp_path))
    workflow = ROOT / "example_workflows" / "flow_search_demo.json"
    url, output = host.client.url, host.base / "output"
    command = [node, ROOT / "tests" / "browser" / "panel.mjs", url, workflow, output, shots]
    done = subprocess.run(
        [*map(str, command), modules, browser], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-4000:]
