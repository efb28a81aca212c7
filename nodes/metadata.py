"""The report in what SaveImage writes into a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

KEY = "flow_search"
ROWS = 2000  # of traces, in all; a longer report is not written a second time


def keep(
    info: dict[str, Any],
    node_id: str,
    report: dict[str, Any],
    index: int = 0,
    pictures: Sequence[str] = (),
) -> None:
    """Keep the report by node id, and in the workflow's node in place of what is saved there.

    From there the panel is rebuilt when the picture is dropped on the canvas, with small `pictures`
    of the results (JPEG in base64, one for each image of the batch). Of a node that runs
    once for each entry of a list each report is kept: the host saves all pictures in the end.
    """
    info.setdefault(KEY, {})[f"{node_id}#{index}" if index else node_id] = report
    node = saved_node(info.get("workflow"), node_id)
    if node is None:
        return
    node.pop(KEY, None)
    if sum(len(one["trace"]) for one in report.get("batch", [report])) <= ROWS:
        node[KEY] = {"report": report} | ({"pictures": list(pictures)} if pictures else {})


def saved_node(workflow: dict[str, Any] | None, node_id: str) -> dict[str, Any] | None:
    """The node of an execution id in a saved workflow: "12", or "22:9" in subgraph node 22."""
    if not isinstance(workflow, dict):
        return None
    subgraphs = {g["id"]: g for g in workflow.get("definitions", {}).get("subgraphs", [])}
    graph, node = workflow, None
    for part in node_id.split(":"):
        nodes = graph.get("nodes", []) if graph else []
        node = next((n for n in nodes if str(n.get("id")) == part), None)
        graph = subgraphs.get(node.get("type")) if node else None
    return node
