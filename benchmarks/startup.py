"""What the pack adds to ComfyUI's start: python benchmarks/startup.py

Loads the pack as ComfyUI does, in processes that have imported ComfyUI and its stock nodes. Prints
the seconds of each and their median. Needs COMFYUI_PATH and the environment of
`python dev.py test`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = """
import asyncio, importlib.util, sys, time
comfy_path, root = sys.argv[1:]
sys.path.insert(0, comfy_path)
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import nodes, server, execution
asyncio.run(nodes.init_builtin_extra_nodes())
begin = time.perf_counter()
spec = importlib.util.spec_from_file_location("odd_name", root + "/__init__.py",
                                              submodule_search_locations=[root])
sys.modules["odd_name"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
extension = module.comfy_entrypoint()
asyncio.run(extension.on_load())
for node in asyncio.run(extension.get_node_list()):
    node.GET_SCHEMA()
print("SECONDS", time.perf_counter() - begin)
"""


def once() -> float:
    command = [sys.executable, "-c", CODE, os.environ["COMFYUI_PATH"], str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=os.environ["COMFYUI_PATH"])
    lines = [line for line in done.stdout.splitlines() if line.startswith("SECONDS")]
    if not lines:
        raise RuntimeError(done.stderr[-2000:])
    return float(lines[0].split()[1])


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    seconds = [once() for _ in range(5)]
    print("seconds:", *(f"{s:.3f}" for s in seconds))
    print(f"median: {statistics.median(seconds):.3f}")


if __name__ == "__main__":
    main()
