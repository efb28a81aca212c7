"""Prompts on a running server: queue, wait, stop; searches whose reward is slow or fails."""

import json
import time
import urllib.error
import urllib.request

from pack.tools.probing.graphs import node, search, with_input

LONG = 900  # NFE, far more than any test waits for


def trouble(kind, name, first=0, count=0, **inputs):
    """A search whose reward is in trouble."""
    graph = search(name=name, **inputs)
    graph["trouble"] = node(
        "ProbeTroubledReward", reward=["reward", 0], kind=kind, first=first, count=count, name=name
    )
    return with_input(graph, "search", "reward", ["trouble", 0])


def post(host, path, body):
    """(status, answer) of a POST."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(host.client.url + path, data)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def stop(host, prompt_id, node_id="search"):
    body = {"node_id": node_id, "prompt_id": prompt_id}
    status, answer = post(host, "/flow_search/stop", body)
    assert status == 200
    return json.loads(answer)["stopping"]


def wait(found, seconds=120):
    """What `found` gives as soon as it is something."""
    until = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return value


def ended(host, prompt_id):
    """The history entry of a prompt, when it is over."""
    return wait(lambda: host.client.get(f"/history/{prompt_id}").get(prompt_id))


def seen(host, name, pictures=4):
    """Wait until the slow reward has seen so many pictures."""
    file = host.base / "output" / f"seen_{name}"
    wait(lambda: file.exists() and int(file.read_text() or 0) >= pictures)


def rewards(report):
    return [row["reward"] for row in report["trace"] if row["reward"] is not None]
