"""ComfyUI and the pack inside a script's own process: import this first, then ComfyUI's modules.

The script's arguments are ComfyUI's folder, then `ARGUMENTS`.
"""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ARGUMENTS = sys.argv[2:]
runpy.run_path(str(ROOT / "tools" / "probing" / "in_process.py"))
