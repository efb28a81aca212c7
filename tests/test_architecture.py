"""Layers import only downwards, and importing a registry costs no model class."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOST = {"comfy", "comfy_api", "folder_paths", "nodes", "server", "execution", "latent_preview"}
FORBIDDEN = {
    "samplers": HOST | {"transformers", "PIL", "..rewards", "..nodes", "..demo"},
    "rewards": HOST | {"..samplers", "..nodes", "..demo"},
}


def imports(path):
    """Names imported at any depth: "torch", and for the pack's own "..rewards"."""
    depth = len(path.relative_to(ROOT).parts) - 1
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            head = (node.module or "").split(".")[0]
            yield head if node.level == 0 else ".." + head if node.level > depth else "." + head


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_layers_import_only_downwards(layer):
    files = sorted((ROOT / layer).rglob("*.py"))
    assert len(files) > 5
    for path in files:
        assert not set(imports(path)) & FORBIDDEN[layer], path


@pytest.mark.parametrize("layer", ["nodes", "samplers", "rewards"])
def test_no_name_that_torch_2_4_has_not(layer):
    """samplers/batching.py says what out of memory is."""
    texts = [path.read_text("utf-8") for path in (ROOT / layer).rglob("*.py")]
    assert not [text for text in texts if "torch.OutOfMemoryError" in text]


def test_the_entry_point_imports_nothing():
    body = ast.parse((ROOT / "__init__.py").read_text("utf-8")).body
    assert not [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_registries_cost_no_model_class():
    code = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("odd_name", sys.argv[1] + "/__init__.py",
                                              submodule_search_locations=[sys.argv[1]])
sys.modules["odd_name"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import odd_name.rewards, odd_name.samplers.search, odd_name.samplers.interpolants
assert len(odd_name.rewards.REWARDS) >= 6
slow = {"transformers", "safetensors", "comfy", "nodes", "torchvision", "scipy"}
print(sorted(slow & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, cwd=ROOT.parent
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_no_runtime_dependency():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert "dependencies = []" in text
    assert not (ROOT / "requirements.txt").exists()
