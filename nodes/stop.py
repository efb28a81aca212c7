"""Stop now, keep the best: a route by which a running search is asked to end early."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

ROUTE = "/flow_search/stop"


class Running:
    """The searches that run now, by node id. Asked in the server's thread, run in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._searches: dict[str, tuple[str | None, threading.Event]] = {}

    @contextmanager
    def search(self, node_id: str, prompt_id: str | None) -> Iterator[Callable[[], bool]]:
        """Known while inside; gives what tells whether it was asked to stop."""
        asked = threading.Event()
        with self._lock:
            self._searches[node_id] = prompt_id, asked
        try:
            yield asked.is_set
        finally:
            with self._lock:
                self._searches.pop(node_id, None)

    def stop(self, node_id: str, prompt_id: str | None = None) -> bool:
        """Ask that node's search, of that prompt if one is named; False: no such search runs."""
        with self._lock:
            if node_id not in self._searches:
                return False
            running, asked = self._searches[node_id]
            if prompt_id not in (None, running):
                return False
            asked.set()
            return True


RUNNING = Running()


async def answer(request: web.Request) -> web.Response:
    """{"node_id": …, "prompt_id": optional} -> {"stopping": whether such a search runs}."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    given = body if isinstance(body, dict) else {}
    node_id, prompt_id = given.get("node_id"), given.get("prompt_id")
    if type(node_id) not in (str, int) or type(prompt_id) not in (str, type(None)):
        wanted = '{"node_id": "12"}, and the prompt_id as a string or not at all'
        return web.json_response({"error": f"{body!r} given, wanted {wanted}."}, status=400)
    return web.json_response({"stopping": RUNNING.stop(str(node_id), prompt_id)})
