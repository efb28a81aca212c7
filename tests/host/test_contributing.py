"""CONTRIBUTING.md's node, as a file of the pack in a ComfyUI."""

import pytest

from .helpers.scripts import run_script


def test_the_node(comfyui, tmp_path):
    node = run_script("contributing.py", comfyui, tmp_path)
    assert node["id"] == "FlowSearchMine" and len(set(node["category"])) == 1
    inputs = node["inputs"]["required"]
    assert list(inputs) == ["images", "factor"] and node["outputs"] == ["IMAGE"]
    assert all(options["tooltip"] for _, options in inputs.values())
    assert node["means"] == pytest.approx([0.0, 0.25, 0.5])
    assert "got 2.0, expected 0 to 1" in node["refused"] and "\n" not in node["refused"]
