"""Who runs a search node: what the host says in hidden inputs. A script may say nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from comfy_api.latest import io
from comfy_execution.utils import get_executing_context

from .aside import aside

HIDDEN = ("unique_id", "dynprompt", "extra_pnginfo")


@dataclass(frozen=True)
class Caller:
    """The node on the canvas, and what SaveImage writes into pictures.

    Args:
        node_id: id of the node on the canvas; empty in a script.
        info: `extra_pnginfo`, the host's own dictionary where it gave one.
        index: place in the list that the node runs over.
    """

    node_id: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    index: int = 0

    @classmethod
    def of(cls, node: type[io.ComfyNode], inputs: dict[str, Any]) -> Caller:
        """From a node's hidden inputs. A script gives them among `inputs`, which lose them."""
        named = {name: inputs.pop(name, None) for name in HIDDEN}
        hidden = getattr(node, "hidden", None)
        host = {name: getattr(hidden, name, None) for name in HIDDEN}
        told = {name: named[name] if value is None else value for name, value in host.items()}
        node_id, info = told["unique_id"], told["extra_pnginfo"]
        with aside("find the node on the canvas"):  # in a loop a node is made anew
            if told["dynprompt"] is not None:
                node_id = told["dynprompt"].get_display_node_id(node_id)
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
        found = saved.get("id") if isinstance(saved, dict) else None
        return found if isinstance(found, str) else None
