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
    if not isinstance(info.get(KEY), dict):  # what another program left under our name
        info[KEY] = {}
    info[KEY][f"{node_id}#{index}" if index else node_id] = report
    node = saved_node(info.get("workflow"), node_id)
    if node is None:
        return
    node.pop(KEY, None)
    if sum(len(one["trace"]) for one in report.get("batch", [report])) <= ROWS:
        node[KEY] = {"report": report} | ({"pictures": list(pictures)} if pictures else {})


def saved_node(workflow: Any, node_id: str) -> dict[str, Any] | None:
    """The node of an execution id in a saved workflow: "12", or "22:9" in subgraph node 22.

    A workflow is what any program wrote: whatever in it is not what it should be is passed over.
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
    """The value of a dictionary's key; None where there is none, or no dictionary."""
    return value.get(key) if isinstance(value, dict) else None


def dictionaries(value: Any) -> list[dict[str, Any]]:
    """The dictionaries in a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
