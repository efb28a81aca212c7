"""Which browsers show the panel of a search: its pictures are there, not in a preview below it."""

from __future__ import annotations

import threading
from collections import deque

from aiohttp import web
from comfy.cli_args import LatentPreviewMethod, args

ROUTE = "/flow_search/panel"
CLIENTS = 256  # the latest that said so


class Panels:
    """Ids of the clients that show the panel. Told in the server's thread, asked in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: deque[str] = deque(maxlen=CLIENTS)

    def add(self, client_id: str) -> None:
        with self._lock:
            if client_id not in self._clients:
                self._clients.append(client_id)

    def shown(self, client_id: str | None) -> bool:
        with self._lock:
            return client_id in self._clients


PANELS = Panels()


def previewed(client_id: str | None) -> bool:
    """Whether a client gets previews: the host's option, or the prompt's own, says that it does."""
    return args.preview_method != LatentPreviewMethod.NoPreviews and not PANELS.shown(client_id)


async def answer(request: web.Request) -> web.Response:
    """{"client_id": …} -> {}: from now on that client gets no previews of a search's progress."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    client_id = body.get("client_id") if isinstance(body, dict) else None
    if type(client_id) is not str or not 0 < len(client_id) <= 128:
        error = f'{body!r} given, wanted {{"client_id": "…"}} of at most 128 characters.'
        return web.json_response({"error": error}, status=400)
    PANELS.add(client_id)
    return web.json_response({})
