"""Live events of a search on the web socket. The only place that names the event."""

from __future__ import annotations

import time
from typing import Any

from server import PromptServer

EVENT = "flow_search.event"
VERSION = 1
INTERVAL = 0.1  # seconds between messages that carry nothing but proposals


class Events:
    """Sends report rows of one node to the client that runs the prompt; proposals are bundled."""

    def __init__(self, node_id: str) -> None:
        self.node_id, self.waiting, self.sent = node_id, [], 0.0

    def send(self, kind: str, rows: list[dict[str, Any]], spent: int, budget: int) -> None:
        """Queue copies of `rows`; anything but a proposal is sent at once with what waits."""
        self.waiting += [dict(row) for row in rows]
        if kind == "propose" and time.monotonic() - self.sent < INTERVAL:
            return
        self.flush(spent, budget, kind)

    def flush(self, spent: int, budget: int, kind: str = "done") -> None:
        """Send what waits."""
        message = {
            "version": VERSION,
            "node_id": self.node_id,
            "kind": kind,
            "rows": self.waiting,
            "spent": spent,
            "budget": budget,
        }
        self.waiting, self.sent = [], time.monotonic()
        server = PromptServer.instance
        server.send_sync(EVENT, message, server.client_id)
