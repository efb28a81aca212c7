"""Layers import only downwards, and importing a registry costs no model class."""

import ast
import re
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


def imported(top):
    """Which file of a layer imports which, as parts of their names."""
    files = {}
    for path in (ROOT / top).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files[parts[:-1] if parts[-1] == "__init__" else parts] = path
    found = set()
    for parts, path in files.items():
        package = parts if path.name == "__init__.py" else parts[:-1]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = package[: len(package) - node.level + 1]
            base += tuple(node.module.split(".")) if node.module else ()
            for alias in node.names:
                target = (*base, alias.name) if (*base, alias.name) in files else base
                found |= {(parts, target)} if target in files else set()
    return {(a, b) for a, b in found if a != b}


def arrows(top):
    """Which room of a layer imports from which; a file that is in no folder is a room."""
    return {(a[:2], b[:2]) for a, b in imported(top) if a[:2] != b[:2]}


@pytest.mark.parametrize("top", ["nodes", "rewards"])
def test_few_arrows_between_rooms(top):
    assert 10 < len(arrows(top)) <= 40


@pytest.mark.parametrize("top", ["nodes", "rewards", "samplers"])
def test_no_circle_of_imports(top):
    """Taking away, again and again, what imports nothing else leaves nothing."""
    left = imported(top)
    while ends := {below for _, below in left} - {above for above, _ in left}:
        left = {(above, below) for above, below in left if below not in ends}
    assert not left


def test_nodes_import_from_run_to_schema_only():
    """A node, then run/, show/, workers/, host/ and schema.py: never upwards."""
    order = ["schema", "host", "workers", "show", "run"]
    for (_, *above), (_, *below) in arrows("nodes"):
        if above and above[0] in order:
            assert below[0] == "json_values" or order.index(below[0]) < order.index(above[0])


@pytest.mark.parametrize("layer", ["nodes", "samplers", "rewards"])
def test_no_name_that_torch_2_4_has_not(layer):
    """samplers/batching.py says what out of memory is."""
    texts = [path.read_text("utf-8") for path in (ROOT / layer).rglob("*.py")]
    assert not [text for text in texts if "torch.OutOfMemoryError" in text]


def test_the_entry_point_imports_nothing():
    body = ast.parse((ROOT / "__init__.py").read_text("utf-8")).body
    assert not [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_registries_cost_no_model_class(tmp_path):
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
        [sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]", done.stderr


def outside_tests():
    """The pack's Python files that are no tests."""
    files = [path for path in ROOT.rglob("*.py") if "tests" not in path.relative_to(ROOT).parts]
    return [path for path in files if not path.relative_to(ROOT).parts[0].startswith(".")]


def test_no_file_is_long():
    longest = max(outside_tests(), key=lambda path: len(path.read_text("utf-8").splitlines()))
    assert len(longest.read_text("utf-8").splitlines()) <= 300, longest


def body_length(function):
    """Lines of a function's body, without its docstring."""
    body = function.body[ast.get_docstring(function) is not None :] or function.body
    return body[-1].end_lineno - body[0].lineno + 1


def test_functions_are_short():
    """Nine of ten have at most 16 lines."""
    nodes = (node for path in outside_tests() for node in ast.walk(ast.parse(path.read_bytes())))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = sorted(map(body_length, functions))
    assert lengths[int(0.9 * len(lengths))] <= 16


def modules(path):
    """Full names of what a file imports, a relative import as from `pack`."""
    package = ("pack", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{name}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("folder", ["benchmarks", "demo", "tools"])
def test_it_uses_no_tests(folder):
    """Neither by an import nor by a path; tools/ runs tests, which is another thing."""
    for path in (ROOT / folder).rglob("*.py"):
        used = {name for name in modules(path) if name.startswith(("tests.", "pack.tests."))}
        assert not used, path
    for path in [*(ROOT / folder).rglob("*.mjs"), *(ROOT / folder).rglob("*.py")]:
        if path.parent != ROOT / "tools":
            assert not re.search(r'import.*tests/|"tests"|"tests/', path.read_text("utf-8")), path


def test_what_probes_a_comfyui_uses_no_benchmarks():
    """Tests and benchmarks import it: tests -> benchmarks -> tools/probing."""
    for path in (ROOT / "tools" / "probing").rglob("*.py"):
        assert not [name for name in modules(path) if name.startswith("pack.benchmarks")], path


def test_one_module_gives_the_checkout_its_import_name():
    loader = re.compile(r'spec_from_file_location\(\s*f?"pack"')
    files = [path for path in ROOT.rglob("*.py") if loader.search(path.read_text("utf-8"))]
    assert files == [ROOT / "tools" / "checkout.py"]


def test_no_runtime_dependency():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert "dependencies = []" in text
    assert not (ROOT / "requirements.txt").exists()
