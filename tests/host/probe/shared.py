"""The node pack of tools/probing, which this one extends: the host links this folder alone."""

import importlib
import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "tools" / "probing" / "probe"
NAME = "flow_search_probe"

spec = importlib.util.spec_from_file_location(
    NAME, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
)
sys.modules[NAME] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)

NODES = pack.NODE_CLASS_MAPPINGS
build, wrapped = (importlib.import_module(f"{NAME}.{part}") for part in ("build", "wrapped"))
Wrapped, passed = wrapped.Wrapped, wrapped.passed
