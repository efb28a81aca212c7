"""Run by models.py in a process of its own: the searches of `simulated`, as one JSON object.

Argument: ComfyUI's folder.
"""

import json
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
runpy.run_path(str(ROOT / "tools" / "probing" / "in_process.py"))

import torch
from pack.tools.probing.simulated_devices import results

with torch.inference_mode():
    sys.stdout.write(json.dumps(results()) + "\n")
