"""The part of a graph that a worker runs: what leads to a search node, but for what is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SERVE = "FlowSearchServe"  # the node at the end of the part
RUN_THERE = (
    "guider", "sampler", "vae", "preview_vae", "reward", "lookahead_model", "finish_model",
    "model_low",
)  # fmt: skip
Node = Mapping[str, Any]


def is_link(value: Any) -> bool:
    """Whether an input's value is a link to the output of a node."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def cut(node_id: str, node_of: Callable[[str], Node]) -> dict[str, dict[str, Any]]:
    """The graph, as the host's API takes it, that ends in SERVE.

    Args:
        node_id: of the search node.
        node_of: id -> node of the executed graph.
    """
    links = {k: v for k, v in node_of(node_id)["inputs"].items() if k in RUN_THERE and is_link(v)}
    part: dict[str, dict[str, Any]] = {}
    open_ids = [link[0] for link in links.values()]
    while open_ids:
        current = open_ids.pop()
        if current in part:
            continue
        node = node_of(current)
        part[current] = {"class_type": node["class_type"], "inputs": dict(node["inputs"])}
        open_ids += [value[0] for value in node["inputs"].values() if is_link(value)]
    part["serve"] = {"class_type": SERVE, "inputs": links}
    return part
