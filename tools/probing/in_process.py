"""ComfyUI and the pack inside a script's own process: import this first, then ComfyUI's modules.

The script's arguments are ComfyUI's folder, then `ARGUMENTS`.
"""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COMFY, *ARGUMENTS = sys.argv[1:]
sys.path.insert(0, COMFY)
sys.argv = ["x", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()
# Before `server`: in older hosts it imports `nodes`, which hides this package.
import utils.extra_config  # noqa: E402, F401, I001

import server  # noqa: E402, F401

runpy.run_path(str(ROOT / "tools" / "checkout.py"))
