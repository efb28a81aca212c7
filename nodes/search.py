"""Rollover Budget Forcing Search and Particle Search: drop-in for SamplerCustomAdvanced."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

from ..samplers.search import SEARCHES
from ..samplers.search.rbf import RolloverBudgetForcing
from .host.guard import guard
from .host.hidden_inputs import HiddenInputs
from .run.batch import run_batch
from .run.inputs import SearchInputs, node_inputs
from .run.plan import MethodChoice
from .run.planning import plan
from .schema import CATEGORY, build, combo, flat, nested, widget
from .show.metadata import keep
from .show.winners import thumbnails, winners
from .show.writable import writable

RBF_WIDGETS = ("init_particles", "paths")
# Absent from hosts before 0.30; keeps the node's result on screen after a cached run or a reload.
PERSISTENT = {
    k: True for k in ("has_intermediate_output",) if k in {f.name for f in fields(io.Schema)}
}


def schema(node_id: str, name: str, description: str, method: list[io.Input]) -> io.Schema:
    """The schema of a search node.

    Args:
        node_id: fixed for all time.
        name: what a menu shows.
        description: what the node does.
        method: inputs of its method.
    """
    return io.Schema(
        node_id=node_id,
        display_name=name,
        category=CATEGORY,
        description=description,
        search_aliases=["search", "best of n", "inference-time scaling", "reward", "particles"],
        inputs=node_inputs(method),
        outputs=[
            io.Latent.Output(display_name="latent", tooltip="The best latent."),
            io.Image.Output(display_name="images", tooltip="The top_k images, best first."),
            io.String.Output(display_name="report", tooltip="JSON of every particle tried."),
        ],
        hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.extra_pnginfo],
        **PERSISTENT,
    )


def respond(
    cls: type[io.ComfyNode], hidden: HiddenInputs, method: MethodChoice, inputs: dict[str, Any]
) -> io.NodeOutput:
    """Run, keep the report for SaveImage's metadata, and answer.

    Args:
        cls: the node.
        hidden: who runs it.
        method: what it was set to.
        inputs: its other inputs.
    """
    planned = plan(SearchInputs.of(inputs), method)
    latent, images, report = run_batch(planned, hidden.node_id, hidden.workflow)
    report, text = writable(report)
    with guard("keep the report for saved pictures"):
        pictures = thumbnails(images, report)
        keep(hidden.info, hidden.node_id, report, hidden.index, pictures)
    shown = {"flow_search_report": [text], "flow_search_images": winners(images, report, cls)}
    return io.NodeOutput(latent, images, text, ui=shown)


class RolloverBudgetForcingSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        settings = {f.name: f for f in fields(RolloverBudgetForcing)}
        return schema(
            "FlowSearchRBF",
            "Rollover Budget Forcing Search",
            "Finds an image that scores higher on the reward. It tries children of the best "
            "particle step by step, and gives unused tries to later steps (arXiv 2503.19385). "
            "Replaces SamplerCustomAdvanced.",
            [widget(settings[name], optional=False) for name in RBF_WIDGETS],
        )

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        hidden = HiddenInputs.of(cls, inputs)
        values = {name: inputs.pop(name) for name in RBF_WIDGETS if name in inputs}
        search = RolloverBudgetForcing(**values)
        entries = {name: getattr(search, name) for name in RBF_WIDGETS}
        return respond(cls, hidden, MethodChoice("rbf", search, entries), inputs)


class ParticleSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FlowSearchParticles",
            "Particle Search",
            "Finds an image that scores higher on the reward, by the method of your choice. "
            "Replaces SamplerCustomAdvanced.",
            [combo("method", SEARCHES, "How the budget is spent.")],
        )

    @classmethod
    def execute(cls, method: dict[str, Any] | None = None, **inputs: Any) -> io.NodeOutput:
        hidden, method = HiddenInputs.of(cls, inputs), nested("method", method, inputs)
        search, name = build("method", SEARCHES, method), method["method"]
        entries = flat("method", name, search)
        return respond(cls, hidden, MethodChoice(name, search, entries), inputs)
