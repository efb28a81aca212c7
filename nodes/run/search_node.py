"""What the search nodes share: schema, run and answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

from comfy_api.latest import io

from ..host.guard import guard
from ..host.hidden_inputs import HiddenInputs
from ..schema import CATEGORY, widget
from ..show.metadata import keep
from ..show.winners import thumbnails, winners
from ..show.writable import writable
from ..workers.graph_cut import cut
from .batch import run_batch
from .inputs import SearchInputs
from .plan import MethodChoice
from .planning import plan

# Absent from hosts before 0.30; keeps the node's result on screen after a cached run or a reload.
PERSISTENT = {
    k: True for k in ("has_intermediate_output",) if k in {f.name for f in fields(io.Schema)}
}


def schema(node_id: str, name: str, description: str, inputs: list[io.Input]) -> io.Schema:
    """The schema of a search node.

    Args:
        node_id: fixed for all time.
        name: what a menu shows.
        description: what the node does.
        inputs: of the node.
    """
    return io.Schema(
        node_id=node_id,
        display_name=name,
        category=CATEGORY,
        description=description,
        search_aliases=["search", "best of n", "inference-time scaling", "reward", "particles"],
        inputs=inputs,
        outputs=[
            io.Latent.Output(display_name="latent", tooltip="The best latent."),
            io.Image.Output(display_name="images", tooltip="The top_k images, best first."),
            io.String.Output(display_name="report", tooltip="JSON of every particle tried."),
        ],
        hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.extra_pnginfo],
        **PERSISTENT,
    )


def method_inputs(settings: type, names: Sequence[str]) -> list[io.Input]:
    """Inputs of some settings of a method, in the order of their names."""
    by_name = {f.name: f for f in fields(settings)}
    return [widget(by_name[name], optional=False) for name in names]


def respond(cls: type[io.ComfyNode], method: MethodChoice, inputs: dict[str, Any]) -> io.NodeOutput:
    """Run, keep the report for SaveImage's metadata, and answer.

    Args:
        cls: the node.
        method: what it was set to.
        inputs: its other inputs.
    """
    hidden = HiddenInputs.of(cls, inputs)
    planned = plan(SearchInputs.of(inputs), method, hidden.upstream)
    if hidden.graph is not None:
        planned = replace(planned, graph=partial(cut, hidden.graph_id, hidden.node))
    latent, images, report, plain = run_batch(planned, hidden.node_id, hidden.workflow)
    report, text = writable(report)
    with guard("keep the report for saved images"):
        pictures = thumbnails(images, report)
        keep(hidden.info, hidden.node_id, report, hidden.index, pictures)
    shown = {"flow_search_report": [text], "flow_search_images": winners(images, report, cls)}
    shown |= {"flow_search_plain": plain} if any(plain) else {}
    return io.NodeOutput(latent, images, text, ui=shown)
