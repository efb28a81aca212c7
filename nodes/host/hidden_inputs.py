"""The hidden inputs of a search node: what the host says about who runs it. A script has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from comfy_api.latest import io
from comfy_execution.utils import get_executing_context

from .guard import guard
from .signatures import signature_of
from .upstream_prompt import Upstream, upstream_prompt

NAMES = ("unique_id", "dynprompt", "extra_pnginfo")


@dataclass(frozen=True)
class HiddenInputs:
    """The node on the canvas, and the texts that SaveImage writes into images.

    Args:
        node_id: id of the node on the canvas; empty in a script.
        info: `extra_pnginfo`, the host's own dictionary if it gave one.
        index: position in the list that the node runs over.
        graph: the host's `dynprompt`, the graph that it executes; None in a script.
        graph_id: id of the node there.
    """

    node_id: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    index: int = 0
    graph: Any = None
    graph_id: str = ""

    @classmethod
    def of(cls, node: type[io.ComfyNode], inputs: dict[str, Any]) -> HiddenInputs:
        """The hidden inputs of a running node. A script may give them among `inputs`.

        They are removed from `inputs`.
        """
        from_script = {name: inputs.pop(name, None) for name in NAMES}
        hidden = getattr(node, "hidden", None)
        values = {name: getattr(hidden, name, None) for name in NAMES}
        values = {name: from_script[name] if v is None else v for name, v in values.items()}
        node_id, info, graph = (
            values[name] for name in ("unique_id", "extra_pnginfo", "dynprompt")
        )
        graph_id = node_id
        with guard("find the node on the canvas"):  # a loop makes copies of a node with new ids
            if graph is not None:
                node_id = graph.get_display_node_id(node_id)
        context = get_executing_context()
        return cls(
            "" if node_id is None else str(node_id),
            info if isinstance(info, dict) else {},
            (context and context.list_index) or 0,
            graph,
            "" if graph_id is None else str(graph_id),
        )

    def upstream(self) -> Upstream:
        """The prompts that the graph has for this node."""
        with guard("find the prompt in the graph"):
            if self.graph is not None:
                return upstream_prompt(self.graph_id, self.node, signature_of)
        return Upstream()

    def node(self, node_id: str) -> Any:
        """A node of the executed graph, None if there is none."""
        return self.graph.get_node(node_id) if self.graph.has_node(node_id) else None

    @property
    def workflow(self) -> str | None:
        """The id of the node's workflow."""
        saved = self.info.get("workflow")
        workflow_id = saved.get("id") if isinstance(saved, dict) else None
        return workflow_id if isinstance(workflow_id, str) else None
