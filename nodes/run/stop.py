"""The route by which a client stops a running search. The search then returns its best result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from ..schema import brief

ROUTE = "/flow_search/stop"


class Running:
    """The running searches by prompt and node, since two prompts may have nodes with the same id.

    The server's thread calls `stop`; another thread runs the search.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._searches: dict[tuple[str | None, str], threading.Event] = {}

    @contextmanager
    def search(self, node_id: str, prompt_id: str | None) -> Iterator[Callable[[], bool]]:
        """Register a search while the block runs. Yields a function: whether to stop."""
        key, stopping = (prompt_id, node_id), threading.Event()
        with self._lock:
            self._searches[key] = stopping
        try:
            yield stopping.is_set
        finally:
            with self._lock:
                self._searches.pop(key, None)

    def stop(self, node_id: str, prompt_id: str) -> bool:
        """Stop the search of a node in a prompt. False if no such search runs."""
        with self._lock:
            stopping = self._searches.get((prompt_id, node_id))
            if stopping is not None:
                stopping.set()
            return stopping is not None


RUNNING = Running()


async def answer(request: web.Request) -> web.Response:
    """Answer {"node_id": …, "prompt_id": …} with {"stopping": whether such a search runs}.

    The prompt's id is needed, since a server may run the searches of several people.
    """
    try:
        body = await request.json()
    except ValueError:
        body = None
    fields = body if isinstance(body, dict) else {}
    node_id, prompt_id = fields.get("node_id"), fields.get("prompt_id")
    if type(node_id) not in (str, int) or type(prompt_id) is not str or not prompt_id:
        error = (
            f"The request has no node_id or no prompt_id: got {brief(body)}, expected "
            '{"node_id": "12", "prompt_id": "…"}. GET /queue lists the prompts and their ids.'
        )
        return web.json_response({"error": error}, status=400)
    return web.json_response({"stopping": RUNNING.stop(str(node_id), prompt_id)})
