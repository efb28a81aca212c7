"""Give the checkout the import name `pack`, as ComfyUI gives it a name of its own.

A test run, a benchmark or any other script runs this file once and then imports `pack.samplers`:

    runpy.run_path(str(ROOT / "tools" / "checkout.py"))

The root leaves `sys.path`: there `nodes` and `server` would hide ComfyUI's modules of these names.
"""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]

if "pack" not in sys.modules:
    spec = importlib.util.spec_from_file_location(
        "pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pack"])
