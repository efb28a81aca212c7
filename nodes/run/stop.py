"""Stop now, keep the best: a route by which a running search is asked to end early."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from ..schema import brief

ROUTE = "/flow_search/stop"


class Running:
    """The searches that run now, by prompt and node: two prompts may have nodes of one id.

    Asked in the server's thread, run in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._searches: dict[tuple[str | None, str], threading.Event] = {}

    @contextmanager
    def search(self, node_id: str, prompt_id: str | None) -> Iterator[Callable[[], bool]]:
        """Known while inside; gives what tells whether it was asked to stop."""
        key, asked = (prompt_id, node_id), threading.Event()
        with self._lock:
            self._searches[key] = asked
        try:
            yield asked.is_set
        finally:
            with self._lock:
                self._searches.pop(key, None)

    def stop(self, node_id: str, prompt_id: str) -> bool:
        """Ask that node's search in that prompt; False: no such search runs."""
        with self._lock:
            asked = self._searches.get((prompt_id, node_id))
            if asked is not None:
                asked.set()
            return asked is not None


RUNNING = Running()


async def answer(request: web.Request) -> web.Response:
    """{"node_id": …, "prompt_id": …} -> {"stopping": whether such a search runs}.

    A server may run the searches of several people, whose nodes have the same ids: only who knows
    the prompt's id may stop it."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    given = body if isinstance(body, dict) else {}
    node_id, prompt_id = given.get("node_id"), given.get("prompt_id")
    if type(node_id) not in (str, int) or type(prompt_id) is not str or not prompt_id:
        error = (
            f"A node_id and a prompt_id are wanted: got {brief(body)}, expected "
            '{"node_id": "12", "prompt_id": "…"}. GET /queue lists the prompts and their ids.'
        )
        return web.json_response({"error": error}, status=400)
    return web.json_response({"stopping": RUNNING.stop(str(node_id), prompt_id)})
