"""What a client hears of a search on the web socket: rows, pictures, and previews if it wants."""

import asyncio
import base64
import io
import json

import pytest
from pack.tools.probing.graphs import SIZE, node, search, with_input
from PIL import Image

from .helpers.events import listen


def test_a_client_hears_the_report_and_sees_the_pictures(host):
    graph = with_input(search(name="heard", seed=41, top_k=2), "latent", "batch_size", 2)
    events, previews = asyncio.run(listen(host, "plain", graph, preview_method="auto"))
    assert previews > 0
    report = host.probe(graph)["report"]  # from the host's cache
    for image, one in enumerate(report["batch"]):
        own = [event for event in events if event["image"] == image]
        kinds = [event["kind"] for event in own if event["kind"] != "progress"]
        assert kinds[:3] == ["start", "choose", "born"] and kinds[-1] == "done"
        assert own[0]["sigmas"] == one["sigmas"] and own[-1]["stopped"] == one["stopped"]
        assert own[-1]["spent"] == one["spent"]["nfe"]
        seconds = [event["seconds"] for event in own]
        assert (
            seconds == sorted(seconds)
            and 0 < seconds[-1] <= one["spent"]["seconds"]["total"] + 0.01
        )
        rows = {row["id"]: row for event in own for row in event["rows"]}
        assert list(rows.values()) == one["trace"]
        assert own[-1]["top"] == [p["id"] for p in one["top"]]
        pictures = {p["id"]: p for event in own for p in event.get("pictures", [])}
        assert {p["id"] for p in one["top"]} <= pictures.keys()
        for picture in pictures.values():
            small = Image.open(io.BytesIO(base64.b64decode(picture["jpeg"])))
            assert max(small.size) <= SIZE
            file = host.client.image(picture["file"])
            assert Image.open(io.BytesIO(file)).size == (SIZE, SIZE)
    assert all(event["size"] < 30_000 and event["images"] == 2 for event in events)


def test_a_client_hears_what_was_automatic(host):
    graph = search(name="chosen", seed=46, init_particles=0, lookahead=-1)
    events, _ = asyncio.run(listen(host, "automatic", graph))
    report = host.probe(graph)["report"]
    events = [event for event in events if event["kind"] != "progress"]
    assert [e["kind"] for e in events[:3]] == ["start", "choose", "born"]
    assert events[1]["chosen"] == report["chosen"] and events[1]["chosen"]["init_particles"] > 0


@pytest.mark.parametrize("extra", [{}, {"preview_method": "default"}, {"preview_method": "none"}])
def test_field_21_no_preview_is_sent_while_previews_are_off(host, extra):
    """The host's option is none by default, and a prompt's own setting goes before it."""
    seed = 50 + len(str(extra))
    heard = search(name=f"off {extra}", seed=seed)
    events, previews = asyncio.run(listen(host, f"off {seed}", heard, **extra))
    assert previews == 0
    assert any("pictures" in event for event in events)  # the panel's own, in our events


def test_field_23_a_cancelled_search_tells_where_its_picture_is(host):
    async def cancel(session, events):
        if sum(len(event["rows"]) for event in events) > 4:
            await session.post(f"{host.client.url}/interrupt", json={})

    graph = search(name="told where", seed=44, budget=900)
    graph["trouble"] = node(
        "ProbeTroubledReward", reward=["reward", 0], kind="slow", first=0, count=0, name="where"
    )
    graph["search"]["inputs"] |= {"reward": ["trouble", 0], "stop_at_maximum": False}
    events, _ = asyncio.run(listen(host, "cancelled", graph, cancel))
    *_, told, last = events
    assert last["kind"] == "execution_interrupted" and last["node_id"] == "search"
    assert told["kind"] == "unfinished" and told["node_id"] == "search"
    (file,) = told["saved"]
    assert file["type"] == "output" and file["subfolder"] == "flow_search"
    assert file["filename"].startswith("unfinished_")
    picture = host.client.image(file)
    assert Image.open(io.BytesIO(picture)).size == (SIZE, SIZE)


@pytest.mark.parametrize(("first", "saved"), [(9, 1), (0, 0)])
def test_field_23_a_failed_search_tells_what_was_saved_of_it(host, first, saved):
    graph = search(name=f"failed {first}", seed=45)
    graph["trouble"] = node(
        "ProbeTroubledReward", reward=["reward", 0], kind="raise", first=first, count=1,
        name=f"fails {first}",
    )  # fmt: skip
    graph["search"]["inputs"]["reward"] = ["trouble", 0]
    events, _ = asyncio.run(listen(host, "failed", graph))
    *_, told, last = events
    assert told["kind"] == "unfinished" and len(told["saved"]) == saved
    assert last["kind"] == "execution_error" and last["node_type"] == "FlowSearchRBF"
    assert last["exception_message"].startswith("the reward broke")


def test_field_24_a_search_tells_the_maximum_of_its_reward(host):
    events, _ = asyncio.run(listen(host, "highest", search(name="highest", seed=46)))
    assert events[0]["kind"] == "start" and events[0]["maximum"] == 0.0
    assert "limit" not in events[0]
    graph = search(name="open", seed=46, time_limit=600.0)
    graph["reward"] = node("FlowSearchRewardLoader", reward="sharpness")
    events, _ = asyncio.run(listen(host, "open", graph))
    assert "maximum" not in events[0] and events[0]["limit"] == 600.0


def test_field_25_the_console_says_which_image_of_a_batch_is_searched(host):
    before = len(host.log.read_bytes())
    graph = with_input(search(name="which", seed=47, budget=8), "latent", "batch_size", 3)
    host.run(graph)
    bar = host.log.read_bytes()[before:].decode("utf-8", "replace")
    assert [f"image {i} of 3" in bar for i in (1, 2, 3)] == [True] * 3
    before = len(host.log.read_bytes())
    host.run(search(name="alone", seed=47, budget=8))
    assert "image 1 of 1" not in host.log.read_bytes()[before:].decode("utf-8", "replace")


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
