"""Run by test_contributing.py: the node skeleton of CONTRIBUTING.md as a file of the pack.

Arguments: ComfyUI's folder, a folder for the file. Prints one JSON object.
"""

import importlib.util
import json
import sys
from pathlib import Path

import host_in_process as process  # isort: skip

import torch
from pack.nodes import demo
from pack.tests.skeletons import skeletons

file = Path(*process.ARGUMENTS) / "mine.py"
file.write_text(skeletons()["A node"], "utf-8")
spec = importlib.util.spec_from_file_location("pack.nodes.mine", file)
module = importlib.util.module_from_spec(spec)
sys.modules["pack.nodes.mine"] = module
spec.loader.exec_module(module)
node, images = module.Mine, torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 2, 2, 3)


def refusal(**inputs):
    try:
        node.execute(**inputs)
    except ValueError as error:
        return str(error)


schema = node.GET_SCHEMA()
info = node.GET_NODE_INFO_V1()
print(
    json.dumps(
        {
            "id": schema.node_id,
            "category": [schema.category, demo.CATEGORY],
            "inputs": info["input"],
            "outputs": info["output"],
            "means": node.execute(images=images, factor=0.5).args[0].mean((1, 2, 3)).tolist(),
            "refused": refusal(images=images, factor=2.0),
        }
    )
)
