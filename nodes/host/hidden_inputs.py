"""The hidden inputs of a search node: what the host says about who runs it. A script has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from comfy_api.latest import io
from comfy_execution.utils import get_executing_context

from .guard import guard

NAMES = ("unique_id", "dynprompt", "extra_pnginfo")


@dataclass(frozen=True)
class HiddenInputs:
    """The node on the canvas, and the texts that SaveImage writes into images.

    Args:
        node_id: id of the node on the canvas; empty in a script.
        info: `extra_pnginfo`, the host's own dictionary if it gave one.
        index: position in the list that the node runs over.
    """

    node_id: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    index: int = 0

    @classmethod
    def of(cls, node: type[io.ComfyNode], inputs: dict[str, Any]) -> HiddenInputs:
        """The hidden inputs of a running node. A script may give them among `inputs`.

        They are removed from `inputs`.
        """
        from_script = {name: inputs.pop(name, None) for name in NAMES}
        hidden = getattr(node, "hidden", None)
        values = {name: getattr(hidden, name, None) for name in NAMES}
        values = {name: from_script[name] if v is None else v for name, v in values.items()}
        node_id, info = values["unique_id"], values["extra_pnginfo"]
        with guard("find the node on the canvas"):  # a loop makes copies of a node with new ids
            if values["dynprompt"] is not None:
                node_id = values["dynprompt"].get_display_node_id(node_id)
        context = get_executing_context()
        return cls(
            "" if node_id is None else str(node_id),
            info if isinstance(info, dict) else {},
            (context and context.list_index) or 0,
        )

    @property
    def workflow(self) -> str | None:
        """The id of the node's workflow."""
        saved = self.info.get("workflow")
        workflow_id = saved.get("id") if isinstance(saved, dict) else None
        return workflow_id if isinstance(workflow_id, str) else None
