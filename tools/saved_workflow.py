"""Turn a saved workflow into an API prompt, as the browser does when it queues the workflow.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Prompt = dict[str, dict[str, Any]]
Link = list  # [id of the node, slot of its output]

MUTED, BYPASSED = 2, 4
DRAWN_ONLY = {"Note", "MarkdownNote", "Reroute", "PrimitiveNode"}  # exist in the browser alone
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COLOR", DYNAMIC}
CONTROL = ("fixed", "increment", "increment-wrap", "decrement", "randomize")


class ComfyError(Exception):
    """What ComfyUI refused or failed to do, in one sentence."""


def to_api(workflow: dict, object_info: dict) -> Prompt:
    """The prompt that the browser would queue.

    Args:
        workflow: a saved workflow in the browser's format, without subgraphs.
        object_info: the server's answer to /object_info.

    Raises:
        ComfyError: the workflow has a subgraph, or a node that the server does not have.
    """
    source = _follower(workflow)
    subgraphs = {graph["id"] for graph in workflow.get("definitions", {}).get("subgraphs", [])}
    prompt: Prompt = {}
    for node in workflow["nodes"]:
        kind = node["type"]
        if kind in DRAWN_ONLY or node.get("mode") in (MUTED, BYPASSED):
            continue
        if kind in subgraphs:
            raise ComfyError(
                "The workflow has a subgraph. Unpack it in the browser and save it again."
            )
        if kind not in object_info:
            raise ComfyError(f"ComfyUI has no node '{kind}': its pack is missing or did not load.")
        inputs = widget_values(node, object_info[kind]["input"])
        for entry in node.get("inputs", []):
            if origin := source(entry.get("link")):
                inputs[entry["name"]] = origin
        prompt[str(node["id"])] = {"class_type": kind, "inputs": inputs}
    return prompt


def _follower(workflow: dict) -> Callable[[int | None], Link | None]:
    """A function that follows a link back to the output that feeds it."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    origins = dict(_origin(link) for link in workflow["links"])

    def source(link: int | None) -> Link | None:
        node_id, slot = origins.get(link, (None, 0))
        node = nodes.get(node_id)
        if node is None or node.get("mode") == MUTED or node["type"] == "PrimitiveNode":
            return None
        if node["type"] == "Reroute":
            return source(node["inputs"][0]["link"])
        if node.get("mode") == BYPASSED:
            kind, inputs = node["outputs"][slot]["type"], node.get("inputs", [])
            same = [i for i in inputs[slot : slot + 1] + inputs if i["type"] in (kind, "*")]
            return source(same[0]["link"]) if same else None
        return [str(node_id), slot]

    return source


def _origin(link: dict | list) -> tuple[int, tuple[int, int]]:
    if isinstance(link, dict):
        return link["id"], (link["origin_id"], link["origin_slot"])
    return link[0], (link[1], link[2])


def widget_values(node: dict, schema: dict) -> dict[str, Any]:
    """The node's saved `widgets_values` by name; saved, they are a list in the schema's order.

    A dynamic combo is followed by the inputs of its chosen option ("reward", "reward.colours"), a
    seed by the browser's "control after generate". Inputs that the file does not have take their
    default.
    """
    saved = list(node.get("widgets_values") or [])
    values: dict[str, Any] = {}

    def take(inputs: dict, prefix: str) -> None:
        for name, spec in (inputs.get("required", {}) | inputs.get("optional", {})).items():
            options = spec[1] if len(spec) > 1 else {}
            kind = options.get("widgetType", spec[0])  # where an input takes several types
            if not (isinstance(kind, list) or kind in WIDGETS) or options.get("forceInput"):
                continue
            if not saved and "default" not in options:
                continue
            value = saved.pop(0) if saved else options["default"]
            values[prefix + name] = {"__value__": value} if isinstance(value, list) else value
            if kind == DYNAMIC:
                take(_inputs_of(node, name, value, options), f"{prefix}{name}.")
            elif saved and saved[0] in CONTROL and _has_control(name, options):
                saved.pop(0)

    take(schema, "")
    return values


def _inputs_of(node: dict, name: str, choice: str, options: dict) -> dict:
    """The inputs that a choice of a dynamic combo brings."""
    for option in options["options"]:
        if option["key"] == choice:
            return option["inputs"]
    raise ComfyError(f"'{node['type']}' has no {name} '{choice}' in this version.")


def _has_control(name: str, options: dict) -> bool:
    return bool(options.get("control_after_generate")) or name in ("seed", "noise_seed")
