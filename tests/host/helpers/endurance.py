"""Many searches in one server: what stays in memory, what a cancel at a random moment leaves."""

import json
import time
import uuid

from pack.tools.probing.graphs import node, search

from . import fuzz

LONG = 500  # NFE, more than any of these searches has time for
SHORT = 24
LATEST = 1.2  # of the time that a short search takes: after its end


def graph_of(seed, budget, **inputs):
    return fuzz.small(search(seed=seed, steps=4, name="endurance", budget=budget, **inputs))


def search_once(client, seed, budget=SHORT):
    """The seconds that it takes."""
    begin = time.perf_counter()
    end = fuzz.run(client, graph_of(seed, budget), 900)
    assert end.kind == "result", end
    return time.perf_counter() - begin


def cancel_at(client, seconds, seed, budget=LONG):
    """How a search ends that is cancelled after so many seconds, and another one after it."""
    prompt = {"prompt": graph_of(seed, budget), "client_id": client.id}
    number = json.loads(fuzz.post(client.url, "/prompt", prompt)[1])["prompt_id"]
    time.sleep(seconds)
    fuzz.post(client.url, "/interrupt", {})
    entry = fuzz.ended(client, number, 900)
    if entry is None:
        return fuzz.End("hang"), fuzz.End("hang")
    kinds = [kind for kind, _ in entry["status"]["messages"]]
    end = "cancelled" if "execution_interrupted" in kinds else "result"
    if "execution_error" in kinds:
        end = "error"
    return fuzz.End(end), fuzz.run(client, graph_of(seed, 8), 900)


def live_bytes(host):
    """Bytes of all tensors that the server holds, once its last prompt is over."""
    return host.probe({"probe": node("ProbeLiveTensors", nonce=uuid.uuid4().hex)})["bytes"]
