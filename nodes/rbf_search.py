"""Rollover Budget Forcing Search: a drop-in for SamplerCustomAdvanced."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..samplers.search.rbf import RolloverBudgetForcing
from .run.inputs import node_inputs
from .run.plan import MethodChoice
from .run.search_node import method_inputs, respond, schema

WIDGETS = ("init_particles", "paths")  # settings that this node shows; Particle Search has all


class RolloverBudgetForcingSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FlowSearchRBF",
            "Rollover Budget Forcing Search",
            "Finds an image that scores higher on the reward. Unused tries roll over to later "
            "steps. Replaces SamplerCustomAdvanced.",
            node_inputs(method_inputs(RolloverBudgetForcing, WIDGETS)),
        )

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        values = {name: inputs.pop(name) for name in WIDGETS if name in inputs}
        search = RolloverBudgetForcing(**values)
        entries = {name: getattr(search, name) for name in WIDGETS}
        return respond(cls, MethodChoice("rbf", search, entries), inputs)
