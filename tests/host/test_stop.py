"""Stop now, over HTTP: a search is stopped by who knows its prompt, and no other (Field 38)."""

import json

import pytest

from .helpers.prompts import LONG, ended, post, seen, stop, trouble


@pytest.fixture(autouse=True)
def nothing_left_running(host):
    yield
    post(host, "/queue", {"clear": True})
    post(host, "/interrupt", {})


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b"{}", b'\xff"', b'{"node_id": []}', b'{"node_id": "search"}',
        b'{"prompt_id": "a"}', b'{"node_id": "search", "prompt_id": null}',
        b'{"node_id": "search", "prompt_id": ""}', b'{"node_id": "search", "prompt_id": 7}',
    ],
)  # fmt: skip
def test_field_38_a_search_is_not_stopped_without_its_prompt(host, body):
    name = f"unnamed {body!r}"
    prompt_id = host.client.queue(trouble("slow", name, budget=LONG))
    seen(host, name, 1)
    status, answer = post(host, "/flow_search/stop", body)
    assert status == 400
    error = json.loads(answer)["error"]
    assert "prompt_id" in error and "expected" in error and "\n" not in error
    seen(host, name, 4)  # it goes on
    assert stop(host, prompt_id)
    assert ended(host, prompt_id)["status"]["status_str"] == "success"


def test_field_38_of_two_prompts_with_one_node_only_the_one_named_is_stopped(host):
    """A batch: the stop holds for all of its images, and for no image of the next prompt."""
    graphs = [trouble("slow", f"queue {i}", budget=LONG, seed=60 + i) for i in (0, 1)]
    graphs[0]["latent"]["inputs"]["batch_size"] = 2
    graphs[1]["search"]["inputs"]["budget"] = 12
    first, second = map(host.client.queue, graphs)
    seen(host, "queue 0")
    assert not stop(host, second)  # it waits
    assert stop(host, first)
    reports = [
        json.loads(ended(host, prompt_id)["outputs"]["probe"]["probe"][0])["report"]
        for prompt_id in (first, second)
    ]
    assert [one["stopped"] for one in reports[0]["batch"]] == ["interrupt"] * 2
    assert reports[1]["spent"]["nfe"] == 12 and reports[1]["stopped"] != "interrupt"
    assert not stop(host, first) and not stop(host, second)
