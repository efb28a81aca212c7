"""Particle Search: a drop-in for SamplerCustomAdvanced with a choice of methods."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..samplers.search import SEARCHES
from .run.inputs import node_inputs
from .run.plan import MethodChoice
from .run.search_node import respond, schema
from .schema import build, combo, flat, nested


class ParticleSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FlowSearchParticles",
            "Particle Search",
            "Finds an image that scores higher on the reward, by the method of your choice. "
            "Replaces SamplerCustomAdvanced.",
            node_inputs(
                [
                    combo(
                        "method",
                        SEARCHES,
                        "How the budget is spent. auto looks at the model and chooses. The help "
                        "page compares the methods.",
                    )
                ]
            ),
        )

    @classmethod
    def execute(cls, method: dict[str, Any] | None = None, **inputs: Any) -> io.NodeOutput:
        method = nested("method", method, inputs)
        search, name = build("method", SEARCHES, method), method["method"]
        entries = flat("method", name, search)
        return respond(cls, MethodChoice(name, search, entries), inputs)
