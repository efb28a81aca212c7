"""The report in the metadata that SaveImage writes into an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

KEY = "flow_search"
ROWS = 2000  # of all traces; a longer report is not copied into the workflow


def keep(
    info: dict[str, Any],
    node_id: str,
    report: dict[str, Any],
    index: int = 0,
    pictures: Sequence[str] = (),
) -> None:
    """Add the report to the metadata by node id, and to the workflow's node.

    From the node the panel is restored when the image is dropped on the canvas. A node that runs
    once per entry of a list adds each report, since the host saves all images at the end.

    Args:
        info: the metadata, changed in place.
        node_id: execution id of the search node.
        report: of the search.
        index: number of earlier runs of the node in this prompt.
        pictures: small JPEGs of the results in base64, one per image of the batch.
    """
    if not isinstance(info.get(KEY), dict):  # another program wrote this key
        info[KEY] = {}
    info[KEY][f"{node_id}#{index}" if index else node_id] = report
    node = saved_node(info.get("workflow"), node_id)
    if node is None:
        return
    node.pop(KEY, None)
    if sum(len(part["trace"]) for part in report.get("batch", [report])) <= ROWS:
        node[KEY] = {"report": report} | ({"pictures": list(pictures)} if pictures else {})


def saved_node(workflow: Any, node_id: str) -> dict[str, Any] | None:
    """The node of an execution id in a saved workflow: "12", or "22:9" inside subgraph node 22.

    Any program may have written the workflow, so malformed parts of it are skipped.
    """
    definitions = entry(workflow, "definitions")
    subgraphs = {str(entry(g, "id")): g for g in dictionaries(entry(definitions, "subgraphs"))}
    graph, node = workflow, None
    for part in node_id.split(":"):
        nodes = dictionaries(entry(graph, "nodes"))
        node = next((n for n in nodes if "id" in n and str(n["id"]) == part), None)
        graph = subgraphs.get(str(entry(node, "type")))
    return node


def entry(value: Any, key: str) -> Any:
    """The value of a key; None if there is none, or if `value` is no dictionary."""
    return value.get(key) if isinstance(value, dict) else None


def dictionaries(value: Any) -> list[dict[str, Any]]:
    """The dictionaries in a list; an empty list if `value` is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
