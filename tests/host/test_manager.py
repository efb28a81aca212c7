"""ComfyUI-Manager, from the package index: installs the pack from git, lists it, removes it.

Field 29: what docs/troubleshooting.md says of its Install via Git URL is true.
"""

import configparser
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from pack.tools.probing.server import serving

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fresh(comfyui, tmp_path_factory):
    """A ComfyUI of the test's own, as the manager writes into its folders."""
    if importlib.util.find_spec("comfyui_manager") is None:
        pytest.skip("comfyui_manager is not installed")
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is nothing to clone")
    place = tmp_path_factory.mktemp("manager") / "ComfyUI"
    shutil.copytree(comfyui, place, ignore=shutil.ignore_patterns("user"))
    configured(place)
    return place


def configured(place, lines=""):
    """The manager's own settings, but that it does not ask the network for its lists."""
    settings = place / "user" / "__manager" / "config.ini"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f"[default]\nnetwork_mode = offline\n{lines}")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """An address of the repository."""
    place = tmp_path_factory.mktemp("bare") / "flow-search.git"
    subprocess.run(["git", "clone", "-q", "--bare", ROOT, place], check=True)
    return place.as_uri().replace("file://", "file://localhost")


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


def allowing_lines():
    """What the page wants in the manager's config.ini."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    found = configparser.ConfigParser()
    found.read_string(re.search("```ini\n(.*?)```", page, re.DOTALL)[1])
    assert "user/__manager/config.ini" in page and "--enable-manager-legacy-ui" in page
    return dict(found["default"])


def by_git_url(host, address):
    """The status that the button Install via Git URL of the manager's legacy interface gets."""
    route = f"{host.client.url}/v2/customnode/install/git_url"
    request = urllib.request.Request(route, address.encode(), {"Content-Type": "text/plain"})
    try:
        return urllib.request.urlopen(request, timeout=120).status
    except urllib.error.HTTPError as error:
        return error.code


def cloned(pack):
    """The text of each file of an installed pack, without git's own and Python's caches."""
    files = (path for path in pack.rglob("*") if path.is_file())
    kept = (path for path in files if not {".git", "__pycache__"} & {*path.parts})
    return {path.relative_to(pack): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def by_command(fresh, bare):
    """The pack's files as the command line installs them. A server lists and loads the pack; then
    it is removed."""
    before, pack = files(fresh), fresh / "custom_nodes" / "flow-search"
    assert "[INSTALLED]" in manager(fresh, "install", bare)
    with serving(fresh, fresh, "--enable-manager") as host:
        assert "flow-search" in host.client.get("/v2/customnode/installed")
        assert "FlowSearchRBF" in host.client.get("/object_info/FlowSearchRBF")
    installed = cloned(pack)
    assert "[UNINSTALLED]" in manager(fresh, "uninstall", "flow-search")
    assert files(fresh) == before and not naming(fresh)
    return installed


def test_the_command_line_installs_lists_and_removes(by_command):
    name = Path("nodes/rbf_search.py")
    assert by_command[name] == (ROOT / name).read_bytes()


def test_the_button_for_a_git_url_is_denied_unless_allowed_as_the_page_says(
    fresh, bare, by_command
):
    """Whatever the security level is: it does not decide any more. The button gets the files that
    the command line gets."""
    pack = fresh / "custom_nodes" / "flow-search"
    allowed = "".join(f"{key} = {value}\n" for key, value in allowing_lines().items())
    for lines, status in (("security_level = weak\n", 403), (allowed, 200)):
        configured(fresh, lines)
        with serving(fresh, fresh, "--enable-manager-legacy-ui") as host:
            assert by_git_url(host, bare) == status
            assert pack.exists() == (status == 200)
    configured(fresh)
    assert cloned(pack) == by_command
    assert "[UNINSTALLED]" in manager(fresh, "uninstall", "flow-search")
    assert not pack.exists()
