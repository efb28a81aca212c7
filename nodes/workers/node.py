"""Search Workers (Ray): several GPUs or computers evaluate the particles of one search."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..schema import CATEGORY, FlowWorkers, widgets
from .ray_start import check_installed
from .settings import WorkerSettings


class SearchWorkersRay(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchWorkersRay",
            display_name="Search Workers (Ray)",
            category=CATEGORY,
            description="Lets other GPUs or computers evaluate particles of a search. The result "
            "stays the same. Needs the Python package ray.",
            search_aliases=["multi gpu", "cluster", "distributed", "ray"],
            inputs=widgets(WorkerSettings),
            outputs=[FlowWorkers.Output(tooltip="Connect it to workers of a search node.")],
        )

    @classmethod
    def execute(cls, **values: Any) -> io.NodeOutput:
        check_installed()
        names = WorkerSettings.__dataclass_fields__
        return io.NodeOutput(WorkerSettings(**{k: v for k, v in values.items() if k in names}))
