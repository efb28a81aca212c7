"""The modules of nodes/ that a report goes through, without the host."""

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWN = (
    "run.fingerprint", "json_values", "show.report", "show.report_chart", "show.report_format",
    "schema", "search_report", "host.kernel_settings", "host.caches",
    "host.upstream_prompt", "host.image_rows", "show.culling", "show.contact_sheet",
    "workers.graph_cut", "workers.packing", "workers.crew", "workers.boot", "workers.engine_ray",
    "workers.ray_start", "workers.box",
    "workers.gpus", "workers.settings",
)  # fmt: skip


@pytest.fixture(scope="session")
def parts():
    """They by name; what they import of the host is a stand-in."""
    host = {"comfy_api": MagicMock(), "comfy_api.latest": MagicMock(), "folder_paths": MagicMock()}
    host |= {"comfy": MagicMock(), "comfy.model_management": MagicMock()}
    host |= {"comfy.model_base": MagicMock(), "comfy.nested_tensor": MagicMock()}
    host["comfy.nested_tensor"].NestedTensor = type("NestedTensor", (), {})
    host["comfy_api.latest"].io.ComfyNode = object
    package = ModuleType("pack.nodes")
    package.__path__ = [str(ROOT / "nodes")]
    ours = [name for name in sys.modules if name.split(".")[:2] == ["pack", "nodes"]]
    before = {name: sys.modules.pop(name) for name in ours}
    with pytest.MonkeyPatch.context() as patch:
        for name, module in (host | {"pack.nodes": package}).items():
            patch.setitem(sys.modules, name, module)
        modules = [importlib.import_module(f"pack.nodes.{name}") for name in OWN]
        found = {module.__name__.rpartition(".")[2]: module for module in modules}
        for name in [name for name in sys.modules if name.startswith("pack.nodes.")]:
            del sys.modules[name]
    sys.modules.update(before)
    return SimpleNamespace(**found)
