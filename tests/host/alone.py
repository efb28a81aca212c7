"""The host and the pack in the process of a script: import this first, then the host's modules.

Arguments of the script: ComfyUI's folder, the pack's, and what is `REST`.
"""

import importlib.util
import sys

COMFY, PACK, *REST = sys.argv[1:]
sys.path.insert(0, COMFY)
sys.argv = ["x", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()
# Before `server`, which in older hosts imports `nodes`, which hides it.
import utils.extra_config  # noqa: E402, F401, I001

import server  # noqa: E402, F401

spec = importlib.util.spec_from_file_location(
    "pack", PACK + "/__init__.py", submodule_search_locations=[PACK]
)
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
