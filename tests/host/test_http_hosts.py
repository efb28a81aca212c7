"""Field 35: a workflow's server is contacted only where the user allowed it, in a real ComfyUI."""

import json
import urllib.request

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, search

from ..rewards.over_http.vlm_server import serve

SETTING = "FlowSearch.HTTPHosts"


def judged_by(url, name):
    graph = search(name=name, budget=6, steps=3, init_particles=2, finish_steps=1)
    own = {"reward": "vqascore_http", "reward.url": url}
    graph["reward"] = node("FlowSearchRewardLoader", **own)
    return graph


@pytest.fixture
def setting(host):
    """Sets the pack's setting as the front-end does; it is empty afterwards."""

    def put(value):
        body, head = json.dumps(value).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{host.client.url}/settings/{SETTING}", body, head)
        urllib.request.urlopen(request, timeout=30).close()

    yield put
    put("")


@pytest.fixture
def elsewhere():
    """A server, and an address that leads to it and is not known for this computer's."""
    with serve("vllm") as server:
        yield server, f"http://127.1:{server.server_address[1]}/v1"


def test_a_strangers_server_is_refused_before_anything_is_sent_or_computed(host, elsewhere):
    server, url = elsewhere
    with pytest.raises(ComfyError) as caught:
        host.run(judged_by(url, "stranger"))
    text = str(caught.value)
    assert f"url not allowed: got {url[7:-3]}, expected this computer or a host" in text
    assert "ComfyUI's settings (Flow Search > Servers) or to FLOW_SEARCH_HTTP_HOSTS." in text
    assert "\n" not in text and not server.requests
    counted = search(name="stranger")
    counted["probe"] = node("ProbeReport", latent=["latent", 0], name="stranger")
    assert host.probe(counted)["counts"] in (None, {"rows": 0, "calls": 0})


def test_the_setting_allows_a_host_and_no_longer_when_it_is_taken_back(host, setting, elsewhere):
    server, url = elsewhere
    setting("gpu-box, 127.1")
    report = host.probe(judged_by(url, "allowed"))["report"]
    assert report["spent"]["nfe"] == 6 and server.requests
    setting("gpu-box")
    server.requests.clear()
    with pytest.raises(ComfyError, match="url not allowed"):
        host.run(judged_by(url, "forbidden"))  # by a loader whose output is kept
    assert not server.requests


@pytest.mark.parametrize("kept", ['{"FlowSearch.HTTPHosts": 5}', "[", "[1]", "", "[" * 100_000])
def test_settings_that_cannot_be_read_allow_nothing(host, elsewhere, kept):
    server, url = elsewhere
    file = host.base / "user" / "default" / "comfy.settings.json"
    before = file.read_text("utf-8") if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    file.write_text(kept, "utf-8")
    try:
        with pytest.raises(ComfyError, match="url not allowed"):
            host.run(judged_by(url, "unread"))
    finally:
        file.unlink() if before is None else file.write_text(before, "utf-8")
    assert not server.requests


def test_a_workflow_cannot_allow_its_own_server(host, elsewhere):
    server, url = elsewhere
    workflow = {"extra": {"settings": {SETTING: "127.1"}}, SETTING: "127.1"}
    graph = judged_by(url, "by itself")
    graph["reward"]["inputs"] |= {"hosts": "127.1", "reward.hosts": "127.1", SETTING: "127.1"}
    with pytest.raises(ComfyError, match="url not allowed"):
        host.run(graph, json.loads(json.dumps(workflow)))
    assert not server.requests
