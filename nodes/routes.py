"""The pack's own routes on the host's server."""

from __future__ import annotations

from aiohttp import web

from .run import stop
from .show import panel
from .show.events import server as host_server


def register_routes() -> None:
    """Once: the server refuses to start with two of a route."""
    server = host_server()
    if server is None:  # the pack was imported without a server
        return
    known = {route.path for route in server.routes if isinstance(route, web.RouteDef)}
    for part in (stop, panel):
        if part.ROUTE not in known:
            server.routes.post(part.ROUTE)(part.answer)
