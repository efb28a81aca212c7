"""The blueprint: what Search KSampler does, as a subgraph of the pack's separate nodes.

ComfyUI lists it among its subgraph blueprints, by the name of its file in `subgraphs/`.
"""

from __future__ import annotations

import uuid
from typing import Any

from .graph import Graph, Output

NAME = "Search KSampler in separate nodes"
DESCRIPTION = (
    "The search of Search KSampler in separate nodes: open it to change guider, noise, sigmas, "
    "sampler or method. budget is in network evaluations."
)
COLUMNS = {"set": 0, "search": 400}
SOCKETS = {  # inputs of the subgraph that are connections
    "model": "MODEL", "positive": "CONDITIONING", "negative": "CONDITIONING",
    "latent_image": "LATENT", "vae": "VAE", "reward": "FLOW_REWARD",
}  # fmt: skip
VALUES = {"seed": "INT", "steps": "INT", "cfg": "FLOAT", "budget": "INT"}
OUTPUTS = {"latent": "LATENT", "images": "IMAGE", "report": "STRING"}
INPUT, OUTPUT = -10, -20  # ids of the borders, fixed by the page
WIDE, HIGH = 420, 420


def build(object_info: dict) -> dict:
    """The file of the blueprint.

    Args:
        object_info: the host's node definitions.
    """
    inside = subgraph(object_info)
    outside = [
        {"name": name, "type": kind, "link": None}
        | ({"widget": {"name": name}} if name in VALUES else {})
        for name, kind in (SOCKETS | VALUES).items()
    ]
    node = {
        "id": 1, "type": inside["id"], "pos": [0, 0], "size": [WIDE, HIGH], "flags": {}, "order": 0,
        "mode": 0, "inputs": outside,
        "outputs": [{"name": name, "type": kind, "links": []} for name, kind in OUTPUTS.items()],
        "properties": {}, "widgets_values": [], "title": NAME,
    }  # fmt: skip
    return {
        "revision": 0, "last_node_id": 1, "last_link_id": 0, "nodes": [node], "links": [],
        "version": 0.4, "definitions": {"subgraphs": [inside]},
    }  # fmt: skip


def subgraph(object_info: dict) -> dict:
    """The definition of the subgraph.

    Args:
        object_info: the host's node definitions.
    """
    g = Graph(object_info, COLUMNS)
    border = {"id": INPUT, "outputs": [{"links": []} for _ in SOCKETS | VALUES]}
    slots = {name: Output(border, i) for i, name in enumerate(SOCKETS | VALUES)}
    result = search(g, slots)
    for i, kind in enumerate(OUTPUTS.values()):
        g.link(Output(result.node, i), {"id": OUTPUT}, i, kind)
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [dict(zip(names, link, strict=True)) for link in g.links]
    return {
        "id": identity("subgraph"), "version": 1, "revision": 0, "config": {}, "name": NAME,
        "description": DESCRIPTION, "category": "Flow Search",
        "state": {
            "lastGroupId": 0, "lastNodeId": len(g.nodes), "lastLinkId": len(links),
            "lastRerouteId": 0,
        },
        "inputNode": {"id": INPUT, "bounding": [-300, 40, 120, 240]},
        "outputNode": {"id": OUTPUT, "bounding": [900, 40, 120, 100]},
        "inputs": slots_of(SOCKETS | VALUES, links, "origin", INPUT),
        "outputs": slots_of(OUTPUTS, links, "target", OUTPUT),
        "widgets": [], "nodes": g.nodes, "groups": [], "links": links, "extra": {},
    }  # fmt: skip


def slots_of(kinds: dict[str, str], links: list[dict], end: str, border: int) -> list[dict]:
    """The slots of a border.

    Args:
        kinds: type of each slot by name.
        links: of the subgraph.
        end: of the links that is at the border: origin or target.
        border: its id.
    """
    slots = []
    for i, (name, kind) in enumerate(kinds.items()):
        here = [link for link in links if (link[f"{end}_id"], link[f"{end}_slot"]) == (border, i)]
        slots.append({
            "id": identity(f"{end} {name}"), "name": name, "type": kind,
            "linkIds": [link["id"] for link in here],
        })  # fmt: skip
    return slots


def search(g: Graph, slots: dict[str, Output]) -> Output:
    """Add the nodes of the search, with the settings that Search KSampler has.

    Args:
        g: gets the nodes.
        slots: of the border, by name.
    """
    guider = g.add("set", "CFGGuider", cfg=1.0,
                   **{name: slots[name] for name in ("model", "positive", "negative")})  # fmt: skip
    noise = g.add("set", "RandomNoise", noise_seed=0)
    sigmas = g.add("set", "BasicScheduler", model=slots["model"], scheduler="simple", steps=20)
    sampler = g.add("set", "FlowSearchVPSDESampler", kernel="eta")
    searching = g.add(
        "search", "FlowSearchParticles", box=(WIDE, 780), noise=noise, guider=guider,
        sampler=sampler, sigmas=sigmas, method="auto", budget=500, finish_steps=2,
        **{name: slots[name] for name in ("latent_image", "vae", "reward")},
    )  # fmt: skip
    shown: dict[str, tuple[Output, str]] = {
        "seed": (noise, "noise_seed"), "steps": (sigmas, "steps"), "cfg": (guider, "cfg"),
        "budget": (searching, "budget"),
    }  # fmt: skip
    for name, (output, setting) in shown.items():
        promote(g, slots[name], output.node, setting)
    return searching


def promote(g: Graph, slot: Output, node: dict[str, Any], name: str) -> None:
    """Show a widget of a node outside. It keeps its value as the first one.

    Args:
        g: has the node.
        slot: of the border.
        node: whose widget it is.
        name: of the widget.
    """
    at = next(i for i, entry in enumerate(node["inputs"]) if entry["name"] == name)
    entry = node["inputs"][at]
    entry["link"] = g.link(slot, node, at, entry["type"])


def identity(name: str) -> str:
    """An id that stays the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"flow-search/blueprint/{name}"))
