"""The pack's own route on the host's server, and the order of its example workflows."""

from __future__ import annotations

import json
from pathlib import Path

from aiohttp import web

from ..show.events import server as host_server
from . import stop

TEMPLATES = "/workflow_templates"  # the host's list: folder of a pack -> names of its examples
FOLDER = Path(__file__).parents[2].name


def register_routes() -> None:
    """Register the stop route once: the server refuses to start with the same route twice."""
    server = host_server()
    if server is None:  # the pack was imported without a server
        return
    registered = {route.path for route in server.routes if isinstance(route, web.RouteDef)}
    if stop.ROUTE not in registered:
        server.routes.post(stop.ROUTE)(stop.answer)
    if list_in_order not in server.app.on_response_prepare:
        server.app.on_response_prepare.append(list_in_order)


async def list_in_order(request: web.Request, response: web.StreamResponse) -> None:
    """Sort the pack's examples in the host's list: the host has them in the order of the disk."""
    is_list = request.path.removeprefix("/api") == TEMPLATES and response.status == 200
    if is_list and isinstance(response, web.Response) and response.text:
        listed = json.loads(response.text)
        if FOLDER in listed:
            response.text = json.dumps(listed | {FOLDER: sorted(listed[FOLDER])})
