"""Give the checkout the import name `pack`, as the host gives it a name of its own.

The root is dropped from `sys.path`: there `nodes` and `samplers` would shadow the host's modules.
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
    module = importlib.util.module_from_spec(spec)
    sys.modules["pack"] = module
    spec.loader.exec_module(module)
