"""ComfyUI and the pack inside a script's own process.

Run this first with `runpy.run_path`, then import ComfyUI's modules. The script's first argument is
ComfyUI's folder.
"""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, sys.argv[1])
sys.argv = ["x", "--cpu"]
import comfy.options

comfy.options.enable_args_parsing()
# Before `server`: in older hosts it imports `nodes`, which hides this package.
import utils.extra_config  # noqa: F401, I001

import server  # noqa: F401

runpy.run_path(str(ROOT / "tools" / "checkout.py"))
