"""The pack's own route on the host's server."""

from __future__ import annotations

from aiohttp import web

from .run import stop
from .show.events import server as host_server


def register_routes() -> None:
    """Register the stop route once: the server refuses to start with the same route twice."""
    server = host_server()
    if server is None:  # the pack was imported without a server
        return
    registered = {route.path for route in server.routes if isinstance(route, web.RouteDef)}
    if stop.ROUTE not in registered:
        server.routes.post(stop.ROUTE)(stop.answer)
