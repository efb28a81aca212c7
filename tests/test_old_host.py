"""Field 30: a ComfyUI that is too old for the pack says so in one line; any other loads it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Loads the pack as nodes.py of ComfyUI does, from a folder of stand-ins for an old host.
LOADER = """
import importlib.util, logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
root, old = sys.argv[1:3]
sys.path.insert(0, old)
spec = importlib.util.spec_from_file_location("odd_name", root + "/__init__.py",
                                              submodule_search_locations=[root])
module = importlib.util.module_from_spec(spec)
sys.modules["odd_name"] = module
spec.loader.exec_module(module)
if hasattr(module, "NODE_CLASS_MAPPINGS"):
    print("V1")
elif V3 and hasattr(module, "comfy_entrypoint"):
    from comfy_api.latest import ComfyExtension
    try:
        extension = module.comfy_entrypoint()
        print("loaded" if isinstance(extension, ComfyExtension) else "not an extension")
    except Exception as error:
        logging.warning(f"Error while calling comfy_entrypoint in x: {error}")
else:
    logging.warning("Skip x module for custom nodes due to the lack of NODE_CLASS_MAPPINGS")
"""
EXTENSION = """
from comfy_api.latest import ComfyExtension
class FlowSearchExtension(ComfyExtension): pass
"""
INT = "class Int:\n class Input:\n  def __init__(self, id, default=None{}): pass\n"
LATEST = "class ComfyExtension: pass\nclass io:\n {}\n"


def api(advanced=True, dynamic=True):
    body = INT.format(", advanced=None" if advanced else "").replace("\n", "\n ")
    return LATEST.format(body + ("\n class DynamicCombo: pass" if dynamic else ""))


def load(tmp_path, version=None, latest=None):
    """What a host with this version and comfy_api.latest prints."""
    if version is not None:
        (tmp_path / "comfyui_version.py").write_text(f"__version__ = {version!r}\n")
    if latest is not None:
        (tmp_path / "comfy_api" / "latest").mkdir(parents=True)
        (tmp_path / "comfy_api" / "__init__.py").touch()
        (tmp_path / "comfy_api" / "latest" / "__init__.py").write_text(latest)
    # Instead of the pack's own nodes, which need a whole host.
    pack = tmp_path / "pack"
    (pack / "nodes").mkdir(parents=True)
    (pack / "__init__.py").write_bytes((ROOT / "__init__.py").read_bytes())
    (pack / "nodes" / "__init__.py").write_text(EXTENSION)
    v3 = latest is not None and "ComfyExtension" in latest
    command = [sys.executable, "-c", f"V3 = {v3}\n{LOADER}", str(pack), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.strip().splitlines()


SAID = "Flow Search needs ComfyUI 0.16 or newer: got {}. Update ComfyUI."


@pytest.mark.parametrize("version", ["0.15.1", "0.3.75", "v0.9.0", "0.15", "0.15.1+git.abc"])
@pytest.mark.parametrize("advanced", [True, False])
def test_an_older_host_says_so_in_one_line(tmp_path, version, advanced):
    (line,) = load(tmp_path, version, api(advanced))
    assert line.endswith(SAID.format(version))


@pytest.mark.parametrize("version", ["0.3.40", None])
@pytest.mark.parametrize("latest", [None, "class io: pass\n"])
def test_a_host_of_v1_nodes_alone_says_so_beside_its_own_line(tmp_path, version, latest):
    line, own = load(tmp_path, version, latest)
    got = version or "a version without comfy_api.latest.ComfyExtension"
    assert line == SAID.format(got)
    assert own.startswith("Skip x module")


@pytest.mark.parametrize("version", [None, "nightly", "", "main-1234abc", "0.0.0.dev1"])
def test_a_host_of_no_known_version_is_judged_by_what_it_has(tmp_path, version):
    places = [tmp_path / name for name in "abc"]
    for place in places:
        place.mkdir()
    assert load(places[0], version, api()) == ["loaded"]
    without = {"advanced inputs": api(advanced=False), "DynamicCombo": api(dynamic=False)}
    for place, (what, latest) in zip(places[1:], without.items(), strict=True):
        (line,) = load(place, version, latest)
        assert line.endswith(SAID.format(f"{version or 'a version'} without {what}"))


@pytest.mark.parametrize(
    "version", ["0.16.0", "0.16.3", "0.30.0", "1.0", "0.100.0", "v0.16.1", "0.30.0rc1",
                "0.30.0+nightly.5", "2026.7", "99999999999999999999.1"],
)  # fmt: skip
def test_a_newer_host_loads_it_whatever_its_version_is_written_like(tmp_path, version):
    assert load(tmp_path, version, api()) == ["loaded"]


def test_other_names_are_not_there_and_nothing_is_said(tmp_path):
    code = f"""
import importlib.util, json
spec = importlib.util.spec_from_file_location("odd_name", {str(ROOT / "__init__.py")!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(json.dumps([hasattr(module, name) for name in ("setup_module", "pytestmark", "NODES_LIST")]))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(done.stdout) == [False] * 3 and not done.stderr
