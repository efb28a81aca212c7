"""ComfyUI-Manager, from the package index: installs the pack from git, lists it, removes it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import serving

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fresh(comfyui, tmp_path_factory):
    """A ComfyUI of the test's own, as the manager writes into its folders."""
    if importlib.util.find_spec("comfyui_manager") is None:
        pytest.skip("comfyui_manager is not installed")
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is nothing to clone")
    place = tmp_path_factory.mktemp("manager") / "ComfyUI"
    shutil.copytree(comfyui, place, ignore=shutil.ignore_patterns("user", "__pycache__"))
    settings = place / "user" / "__manager" / "config.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nnetwork_mode = offline\n")
    return place


def manager(place, *words):
    """What its command line says."""
    env = os.environ | {"COMFYUI_PATH": str(place), "PYTHONPATH": str(place)}
    command = [sys.executable, "-m", "cm_cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=place)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def files(place):
    """Every file and folder of packs, weights and settings, less what ComfyUI and the manager keep
    about themselves."""
    tops = ("custom_nodes", "models", "user")
    found = {path.relative_to(place) for top in tops for path in (place / top).rglob("*")}
    return {path for path in found if "__manager" not in path.parts and path.suffix != ".log"}


def naming(place):
    """Settings, the manager's own too, that name the pack."""
    kept = [
        path for path in (place / "user").rglob("*") if path.is_file() and path.suffix != ".log"
    ]
    return [path for path in kept if re.search(rb"flow.search", path.read_bytes(), re.IGNORECASE)]


def test_it_installs_lists_and_removes(fresh, tmp_path):
    bare = tmp_path / "flow-search.git"
    subprocess.run(["git", "clone", "-q", "--bare", ROOT, bare], check=True)
    before = files(fresh)
    said = manager(fresh, "install", bare.as_uri().replace("file://", "file://localhost"))
    assert "[INSTALLED]" in said
    pack = fresh / "custom_nodes" / "flow-search"
    assert (pack / "nodes" / "search.py").read_text() == (ROOT / "nodes/search.py").read_text()
    with serving(fresh, fresh, "--enable-manager") as host:
        assert "flow-search" in host.client.get("/v2/customnode/installed")
        assert "FlowSearchRBF" in host.client.get("/object_info/FlowSearchRBF")
    assert "[UNINSTALLED]" in manager(fresh, "uninstall", "flow-search")
    assert files(fresh) == before and not naming(fresh)
