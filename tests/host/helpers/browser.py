"""What a test in a real browser needs."""

import os
import shutil
from pathlib import Path

import pytest
from pack.tools.chromium import chromium


def lacking(what: str) -> None:
    """Skip the test; FLOW_SEARCH_BROWSER=1 says that nothing may be lacking here."""
    (pytest.fail if os.environ.get("FLOW_SEARCH_BROWSER") == "1" else pytest.skip)(what)


def browser_tools() -> tuple[str, str, str]:
    """Node.js, its modules, and a Chromium."""
    node, modules = shutil.which("node"), os.environ.get("FLOW_SEARCH_JS", "")
    browser = chromium()
    if node is None or browser is None:
        lacking("the test of the panel in a browser needs Node.js and Chromium")
    if not (Path(modules) / "playwright-core").is_dir():
        lacking("FLOW_SEARCH_JS names no folder with playwright-core: run `python dev.py test`")
    return node, modules, browser
