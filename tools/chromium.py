"""Find a Chromium or Chrome on this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Chrome's installers put it into folders that PATH does not have.
MAC = [f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Google Chrome", "Chromium")]
PROGRAMS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
CHROME = "Google/Chrome/Application/chrome.exe"


def chromium() -> str | None:
    """The path in FLOW_SEARCH_CHROMIUM, else an installed Chromium or Chrome."""
    windows = [Path(os.environ[name]) / CHROME for name in PROGRAMS if name in os.environ]
    installed = [str(path) for path in (*map(Path, MAC), *windows) if path.exists()]
    places = [os.environ.get("FLOW_SEARCH_CHROMIUM"), *map(shutil.which, NAMES), *installed]
    return next(filter(None, places), None)
