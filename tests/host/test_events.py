"""What a client hears of a search on the web socket: rows, pictures, and previews if it wants."""

import asyncio
import base64
import io
import json
import urllib.error
import urllib.request

import aiohttp
import pytest
from PIL import Image

from .graphs import SIZE, node, search, with_input

PREVIEWS = (1, 4)  # binary messages of the host: an image, and one that says whose it is


async def listen(host, client_id, graph):
    """The events, and the number of binary previews, while `graph` runs for that client."""
    url, events, previews = host.client.url, [], 0
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{url}/ws?clientId={client_id}", max_msg_size=0) as stream:
            body = {"prompt": graph, "client_id": client_id}
            answer = await (await session.post(f"{url}/prompt", json=body)).json()
            async for message in stream:
                if message.type == aiohttp.WSMsgType.BINARY:
                    previews += int.from_bytes(message.data[:4], "big") in PREVIEWS
                    continue
                told = json.loads(message.data)
                if told["type"] == "flow_search.event":
                    events.append(told["data"] | {"size": len(message.data)})
                ours = told["data"].get("prompt_id") == answer["prompt_id"]
                if told["type"] == "executing" and ours and told["data"]["node"] is None:
                    return events, previews
                assert told["type"] != "execution_error", told


def ask(host, route, body):
    request = urllib.request.Request(host.client.url + route, json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return answer.status


def test_a_client_hears_the_report_and_sees_the_pictures(host):
    graph = with_input(search(name="heard", seed=41, top_k=2), "latent", "batch_size", 2)
    events, previews = asyncio.run(listen(host, "plain", graph))
    assert previews > 0
    report = host.probe(graph)["report"]  # from the host's cache
    for image, one in enumerate(report["batch"]):
        own = [event for event in events if event["image"] == image]
        assert [e["kind"] for e in own[:2]] == ["start", "born"] and own[-1]["kind"] == "done"
        assert own[0]["sigmas"] == one["sigmas"] and own[-1]["stopped"] == one["stopped"]
        assert own[-1]["spent"] == one["spent"]["nfe"]
        rows = {row["id"]: row for event in own for row in event["rows"]}
        assert list(rows.values()) == one["trace"]
        pictures = {p["id"]: p for event in own for p in event.get("pictures", [])}
        assert {p["id"] for p in one["top"]} <= pictures.keys()
        for picture in pictures.values():
            small = Image.open(io.BytesIO(base64.b64decode(picture["jpeg"])))
            assert max(small.size) <= SIZE
            file = host.client.image(picture["file"])
            assert Image.open(io.BytesIO(file)).size == (SIZE, SIZE)
    assert all(event["size"] < 30_000 and event["images"] == 2 for event in events)


def test_a_client_with_a_panel_gets_no_second_picture(host):
    assert ask(host, "/flow_search/panel", {"client_id": "panel"}) == 200
    events, previews = asyncio.run(listen(host, "panel", search(name="panel", seed=42)))
    assert previews == 0
    assert any("pictures" in event for event in events)


@pytest.mark.parametrize("client_id", [None, 7, "", "x" * 129])
def test_the_panel_says_who_it_is(host, client_id):
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(host, "/flow_search/panel", {"client_id": client_id})
    assert refused.value.code == 400 and "wanted" in refused.value.read().decode()


def test_a_search_in_a_loop_is_heard_as_the_node_on_the_canvas(host):
    """What a node expands to has ids of its own; the panel and Stop know the node that is drawn."""
    graph = search(name="loop", seed=43)
    inner = graph.pop("search")
    graph["loop"] = node("ProbeExpand", inner=json.dumps(inner), shown_as="search")
    graph["probe"]["inputs"] |= {
        "latent": ["loop", 0], "images": ["loop", 1], "report": ["loop", 2]
    }  # fmt: skip
    events, _ = asyncio.run(listen(host, "loop", graph))
    assert events[0]["kind"] == "start" and events[-1]["kind"] == "done"
    assert {event["node_id"] for event in events} == {"search"}
