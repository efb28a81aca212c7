"""A search of a real ComfyUI whose particles are evaluated by ComfyUIs in Ray's processes."""

import contextlib
import importlib.util
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from pack.tools.probing.graphs import guided, node, particles, search, with_input
from pack.tools.probing.runs import Runs

from .helpers.methods import METHODS
from .helpers.prompts import post, stop, wait
from .helpers.reward_graphs import combine, loader, scored_again, second_score

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install ray"
)
SETTINGS = {"address": "", "workers": 2, "gpu_share": 0.0, "own_gpu": False, "rows": 1}
BUDGET, LONG = 60, 3000
PATIENCE = 300  # seconds; a busy machine is slow to start ComfyUI twice


def crewed(graph, **settings):
    """The graph with workers on the search."""
    graph = dict(graph) | {"workers": node("FlowSearchWorkersRay", **SETTINGS | settings)}
    graph["search"]["inputs"]["workers"] = ["workers", 0]
    return graph


def children(host):
    """Processes below the server, by id: the name of each."""
    found = {}
    for process in psutil.Process(host.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found[process.pid] = " ".join(process.cmdline())
    return found


def workers(host):
    return [pid for pid, name in children(host).items() if name.startswith("ray::Boot")]


def begun(host, graph):
    """Queue a search. Returns its prompt id as soon as both workers do jobs."""
    before = len(host.log.read_text())
    prompt_id = host.client.queue(graph)

    def ready():
        text = host.log.read_text()[before:]
        return all(f"worker {i} is ready:" in text for i in (1, 2))

    wait(ready, PATIENCE)
    return prompt_id


def entry(host, prompt_id):
    """The history entry of a prompt, when it is over."""
    return wait(lambda: host.client.get(f"/history/{prompt_id}").get(prompt_id), PATIENCE)


def assert_same(alone, found, counts=("nfe", "network_calls", "decodes", "rewards")):
    """Latents are equal, and so are the trace and the costs of each image of a batch."""
    assert alone["latent"] == found["latent"]
    reports = [shown["report"].get("batch", [shown["report"]]) for shown in (alone, found)]
    for one, other in zip(*reports, strict=True):
        assert one["trace"] == other["trace"]
        for key in counts:
            assert one["spent"][key] == other["spent"][key]


@pytest.fixture(scope="module")
def alone(host):
    return host.probe(search(budget=BUDGET, micro_batch=1, name="no workers"))


@pytest.fixture(scope="module")
def both(host):
    """Both workers run. The first search goes on with the one that is there sooner."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        name = f"starts at {time.monotonic()}"
        found = host.probe(crewed(search(budget=12, name=name)))["report"]
        if len([device for device in found["devices"] if device["nfe"]]) == 2:
            return
        assert not [device for device in found["devices"] if "refused" in device], found["devices"]
        time.sleep(2)
    pytest.fail(f"{found['devices']}\n{host.log.read_text()[-3000:]}")


def test_ray_is_not_loaded_before_a_search_has_workers(host):
    maps = Path(f"/proc/{host.process.pid}/maps")
    if not maps.exists():
        pytest.skip("only Linux says which libraries a process has loaded")
    assert "libtorch" in maps.read_text()
    assert "_raylet" not in maps.read_text()


def test_two_workers_find_what_none_find(host, alone, both):
    found = host.probe(crewed(search(budget=BUDGET, name="two workers")))
    assert_same(alone, found)
    devices, spent = found["report"]["devices"], found["report"]["spent"]
    assert [device["device"] for device in devices] == ["worker 1", "worker 2"]
    done = sum(device["nfe"] for device in devices)
    assert spent["discarded_nfe"] > 0  # the first answer of each worker
    assert BUDGET / 2 < done <= spent["nfe"] + spent["discarded_nfe"]


def test_a_particle_that_was_looked_at_needs_no_worker(host, both):
    """The image returned is what was scored, whoever evaluated it."""
    graphs = []
    for name in ("look", "look, two workers"):
        settings = {"budget": 15, "steps": 1, "lookahead": -1, "finish_steps": 0, "seed": 5}
        graph = particles(search(micro_batch=1, name=name, **settings), "svdd")
        graph["latent"]["inputs"] |= {"width": 128, "height": 128}  # else all is blurred
        graphs.append(scored_again(with_input(graph, "loader", "checkpoint", "base")))
    shown = [host.run(graphs[0]), host.run(crewed(graphs[1]))]
    alone, found = map(host.read_probe, shown)
    assert_same(alone, found)
    assert found["report"]["spent"]["lookahead"] == 4 and found["report"]["spent"]["nfe"] == 15
    assert second_score(shown[1]) == pytest.approx(found["report"]["best"]["reward"], abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_same(host, both, method):
    """To the bit: each digit of an image counts in its sharpness.

    Only decodes may differ. A worker sends no image that is not the best so far, and the search
    decodes it again to see where it is wrong.
    """
    graphs = []
    for name in (method, f"{method}, two workers"):
        graph = search(budget=30, micro_batch=1, name=name)
        parts = {"count it": graph["reward"], "sharp": loader("sharpness")}
        graph |= parts | {"reward": combine("weighted_sum", *parts, standardise=False)}
        graphs.append(particles(graph, method, **METHODS[method]))
    alone, found = host.probe(graphs[0]), host.probe(crewed(graphs[1]))
    assert_same(alone, found, ("nfe", "network_calls", "rewards"))
    assert sum(device["nfe"] for device in found["report"]["devices"]) > 0


def test_another_method_finds_the_same_for_each_image_of_a_batch(host, both):
    graphs = [particles(search(budget=12, micro_batch=1, name=f"smc {n}"), "smc") for n in (0, 2)]
    graphs = [with_input(graph, "latent", "batch_size", 2) for graph in graphs]
    one, two = host.probe(graphs[0]), host.probe(crewed(graphs[1]))
    assert_same(one, two)
    assert [len(report["devices"]) for report in two["report"]["batch"]] == [2, 2]


def test_what_a_reward_has_learned_here_its_workers_know(host, both):
    """The search scores the first eight images itself: they decide the scale of both rewards."""
    graph = search(budget=24, micro_batch=1, name="scale")
    parts = {"count it": graph["reward"], "sharp": loader("sharpness")}
    graph |= parts | {"reward": combine("weighted_sum", *parts, standardise=True)}
    alone, found = host.probe(graph), host.probe(crewed(graph))
    assert_same(alone, found)
    assert "warnings" not in found["report"] or not found["report"]["warnings"]
    done = sum(device["nfe"] for device in found["report"]["devices"])
    assert 2 < done <= 24 - 8 + found["report"]["spent"]["discarded_nfe"]


@pytest.mark.parametrize("rows", [1, 2])
def test_the_frames_of_a_video_go_to_one_worker(host, both, rows):
    """SVD, of which a mask keeps the left half. The rows of a call are those of one particle."""
    runs = Runs("SVD")
    runs.latent = runs.masked
    wide = {"budget": 24, "init_particles": 3, "finish_steps": 1, "reward": runs.bright}
    runs.run("alone", **wide)
    alone = runs.show(host)["alone"]
    crew = runs.node("FlowSearchWorkersRay", **SETTINGS | {"rows": rows})
    runs.run("crewed", workers=crew, **wide)
    found = runs.show(host)["crewed"]
    assert_same(alone, found)
    assert found["report"]["spent"]["nfe"] == 24 and not found["report"].get("warnings")
    done = sum(device["nfe"] for device in found["report"]["devices"])
    assert 24 / 2 < done <= 24 + found["report"]["spent"]["discarded_nfe"]


def test_a_stopped_search_returns_what_it_has(host, both):
    prompt_id = begun(host, crewed(search(budget=LONG, name="stopped")))
    assert stop(host, prompt_id)
    report = host.read_probe(entry(host, prompt_id)["outputs"])["report"]
    assert report["stopped"] == "interrupt" and report["spent"]["nfe"] < LONG


def test_a_time_limit_holds_with_workers(host, both):
    report = host.probe(crewed(search(budget=LONG, name="timed", time_limit=2.0)))["report"]
    assert report["stopped"] == "time" and report["spent"]["nfe"] < LONG


def test_guidance_does_without(host):
    found = host.probe(crewed(guided("x0", budget=8, name="guided with workers")))
    warnings = found["report"]["warnings"]
    assert any("The workers were not used: guidance needs gradients." in w for w in warnings)
    assert "devices" not in found["report"]


def test_workers_are_usable_after_a_cancelled_search(host, alone, both):
    prompt_id = begun(host, crewed(search(budget=LONG, name="cancelled")))
    post(host, "/interrupt", {})
    assert entry(host, prompt_id)["status"]["status_str"] == "error"
    before = workers(host)
    assert_same(alone, host.probe(crewed(search(budget=BUDGET, name="after the cancel"))))
    assert len(before) == 2 and workers(host) == before


def test_a_killed_worker_changes_nothing_and_nothing_is_left_of_ray(host, alone, both):
    """The search with the dead worker is the last one: with keep_minutes 0 all workers end."""
    running = {pid: name for pid, name in children(host).items() if "ray" in name}
    assert len(running) > 4  # with the agents, which are processes of their own
    victim = workers(host)[0]
    with host.new_log() as lines:
        graph = crewed(search(budget=BUDGET, name="killed"), keep_minutes=0.0)
        prompt_id = begun(host, graph)
        os.kill(victim, signal.SIGKILL)
        outputs = entry(host, prompt_id)["outputs"]
    assert [line for line in lines if "is lost" in line], "it was killed too late"
    assert victim not in workers(host)
    assert_same(alone, host.read_probe(outputs))

    def left():
        return [name for pid, name in running.items() if alive(pid)] + workers(host)

    wait(lambda: not left(), PATIENCE)
    plain = host.probe(search(budget=12, name="without"))
    assert "devices" not in plain["report"]


def alive(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
