"""What goes wrong with workers on Ray: the search goes on, and its result is that of no workers."""

import asyncio
import sys
import threading
from types import SimpleNamespace

import pytest
from pack.samplers.crew.job import perform
from pack.samplers.search.svdd import SVDD

from ..samplers.crews import crewed
from ..samplers.setups import Setup, arithmetic, assert_same_run
from .stand_in_ray import OutOfMemoryError, RayError, StandInRay

SETUP = Setup(SVDD(children="kernel"), 4, 12)
MISSING = "UNETLoader: unet_name: 'a.safetensors' not in []"
MEMORY = {"unfit": "It ran out of memory: 24 GB. Give its computer fewer workers."}


class Hand:
    """A worker in this process. What happens to it follows from its number."""

    task = packing = None

    def __init__(self, number):
        self.number, self.jobs = number, 0

    def fate(self, ray, name):
        """The error that a call ends with, if the worker dies of it."""

    def prepare(self, search, graph, sent):
        return {"state": self.state(), "where": f"gpu-{self.number}, cpu"}

    def state(self):
        return "ready"

    def perform(self, packed):
        answer = perform(self.task, self.packing.unpack_job(packed))
        return self.packing.pack_answer(answer) | {"images": ({}, {})}

    def stop(self, search):
        pass

    close = stop


def searched(parts, monkeypatch, hand, works=False, check=None, **ray):
    """(Ray, foreman) of a search that found what it finds without workers."""
    ray = StandInRay(**ray)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.60.0")
    task, foreman, _ = crewed(SETUP, 1, 1, arithmetic)
    hand.task, hand.packing = foreman.engine.tasks["worker 0"], parts.packing
    place = parts.ray_start.Place("", 2, 0.0, [], ())
    engine = foreman.engine = parts.engine_ray.RayEngine(place, hand)
    foreman.works, foreman.check = works, check
    engine.begin({}, {"device": "cpu"}, waits=not works)
    assert_same_run(SETUP.run(denoiser=arithmetic, micro_batch=1), SETUP.run(task))
    foreman.close()
    return ray, foreman


def test_two_workers_share_the_jobs(parts, monkeypatch):
    ray, foreman = searched(parts, monkeypatch, Hand)
    assert len(ray.actors) == 2 and set(foreman.nfe) == {"worker 1", "worker 2"}
    assert foreman.engine.where == {"worker 1": "gpu-0, cpu", "worker 2": "gpu-1, cpu"}
    assert not foreman.engine.refused and not foreman.discarded and not foreman.engine.gone


def test_two_workers_share_the_jobs_with_the_search_itself(parts, monkeypatch):
    """Also workers that are checked: the first answer of each is one that the search has, too."""
    _, foreman = searched(parts, monkeypatch, Hand, works=True, check=lambda *answers: "")
    assert foreman.checked == 2 and min(foreman.nfe[f"worker {i}"] for i in (1, 2)) > 1


def test_a_worker_that_dies_with_two_jobs_has_died_once(parts, monkeypatch):
    ray, foreman = searched(parts, monkeypatch, Hand)
    engine = foreman.engine
    engine.begin({}, {"device": "cpu"}, waits=True)
    assert engine.idle() == ["worker 1", "worker 2"]
    monkeypatch.setattr(parts.engine_ray, "pack_job", lambda job: {})
    ray.kill(engine.actors["worker 2"])
    for job in "ab":
        engine.send("worker 2", job)
    assert [report.job for report in engine.listen(waits=True)] == ["a", "b"]
    assert engine.deaths == {"worker 2": 1} and len(ray.actors) == 3


def test_a_worker_without_the_models_file_is_left_out(parts, monkeypatch, caplog):
    class Lacking(Hand):
        def state(self):
            return MISSING if self.number else "ready"

    _, foreman = searched(parts, monkeypatch, Lacking)
    assert foreman.engine.refused == {"worker 2": MISSING} and set(foreman.nfe) == {"worker 1"}
    assert f"worker 2 cannot take part: {MISSING}" in caplog.text


def test_a_worker_whose_gpu_is_full_is_let_go(parts, monkeypatch):
    class Small(Hand):
        def perform(self, packed):
            return MEMORY if self.number else super().perform(packed)

    _, foreman = searched(parts, monkeypatch, Small)
    assert foreman.engine.refused == {"worker 2": MEMORY["unfit"]}
    assert set(foreman.nfe) == {"worker 1"} and foreman.discarded == 1


def test_a_worker_whose_computer_has_no_memory_is_not_replaced(parts, monkeypatch):
    class Killed(Hand):
        def fate(self, ray, name):
            return OutOfMemoryError("monitor") if self.number and name == "perform" else None

    ray, foreman = searched(parts, monkeypatch, Killed)
    assert len(ray.actors) == 2 and set(foreman.nfe) == {"worker 1"}
    (why,) = foreman.engine.refused.values()
    assert why == "Its computer ran out of memory. Give it fewer workers."


def test_a_worker_that_dies_again_and_again_is_not_replaced(parts, monkeypatch):
    class Mortal(Hand):
        def fate(self, ray, name):
            return RayError("dead") if self.number and name == "prepare" else None

    ray, foreman = searched(parts, monkeypatch, Mortal)
    assert len(ray.actors) == 1 + parts.engine_ray.DEATHS
    assert foreman.engine.refused == {"worker 2": "It was lost 3 times."}


@pytest.mark.parametrize("works", [False, True])
def test_when_ray_is_gone_the_search_goes_on_alone(parts, monkeypatch, works):
    """All workers are lost, and those in their place never start."""

    class Doomed(Hand):
        def fate(self, ray, name):
            self.jobs += name == "perform"
            ray.gone = ray.gone or self.jobs > 3
            return RayError("no head") if ray.gone and self.jobs else None

    ray, foreman = searched(parts, monkeypatch, Doomed, works)
    assert ray.gone and len(ray.actors) == 4 and foreman.engine.gone
    assert 3 <= sum(foreman.nfe.values()) < SETUP.total


def test_ray_that_does_not_start_is_tried_again_and_named(parts, monkeypatch, caplog):
    _, foreman = searched(parts, monkeypatch, Hand, refusals=1)
    assert foreman.nfe and "Ray did not start. It says: nobody answers" in caplog.text
    with pytest.raises(
        parts.ray_start.NotStarted, match="Ray did not start. It says: nobody answers"
    ):
        searched(parts, monkeypatch, Hand, refusals=9)
    place = parts.ray_start.Place("10.0.0.1:6379", 2, 0.0, [], ())
    monkeypatch.setitem(sys.modules, "ray", StandInRay(refusals=1))
    with pytest.raises(ValueError, match=r"No Ray cluster .*: got '10\.0\.0\.1:6379', expected"):
        parts.ray_start.start(place)


@pytest.fixture
def boot(parts):
    """A worker's process, without the ComfyUI in it."""
    made = object.__new__(parts.boot.Boot)
    memory = SimpleNamespace(out_of_memory=lambda error: isinstance(error, MemoryError))
    modules = {
        "workers.box": parts.box,
        "host.memory": memory,
        "run.serve": SimpleNamespace(Serve=0),
    }
    made._module, made.box, made.lock = modules.get, None, threading.Lock()
    made.versions = {"Flow Search": "abc"}
    return made


def test_a_graph_that_lacks_a_file_is_not_run(boot, parts, monkeypatch):
    """As ComfyUI's `validate_prompt` refuses it on a worker, which then keeps nothing of it."""

    async def validate_prompt(prompt_id, graph, targets):
        assert graph["serve"]["inputs"]["search"] == 7
        errors = [{"details": "unet_name: 'a.safetensors' not in []"}]
        found = {"1": {"class_type": "UNETLoader", "errors": errors}}
        return False, {"message": "Prompt outputs failed validation", "details": ""}, [], found

    host = {"execution": SimpleNamespace(validate_prompt=validate_prompt)}
    host["nodes"] = SimpleNamespace(NODE_CLASS_MAPPINGS={})
    for name, module in host.items():
        monkeypatch.setitem(sys.modules, name, module)
    boot.loop = asyncio.new_event_loop()
    thread = threading.Thread(target=boot.loop.run_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(boot, "_where", lambda: "gpu-0, cpu")
    prepared = boot.prepare(7, {"serve": {"inputs": {}}}, {"versions": {"Flow Search": "abc"}})
    boot.loop.call_soon_threadsafe(boot.loop.stop)
    thread.join()
    assert prepared["state"] == f"Prompt outputs failed validation {MISSING}"
    assert 7 not in parts.box.BOXES


def test_a_worker_says_which_errors_are_its_own(boot, parts):
    """Memory, and the end of a search, are a worker's. Any other error is that of the job."""
    box = boot._begin(1, {})
    answers = {"memory": MemoryError("24 GB"), "bad": ValueError("no image"), "good": {"x": 1}}

    def do(packed):
        if isinstance(answers[packed["name"]], Exception):
            raise answers[packed["name"]]
        return answers[packed["name"]]

    serving = threading.Thread(target=box.serve, args=[do])
    serving.start()
    assert boot.perform({"search": 1, "name": "good"}) == {"x": 1}
    assert boot.perform({"search": 1, "name": "memory"}) == MEMORY
    with pytest.raises(RuntimeError, match="ValueError: no image"):
        boot.perform({"search": 1, "name": "bad"})
    assert boot.perform({"search": 2, "name": "good"}) == {"unfit": "It has begun another search."}
    boot.stop(0)  # comes late: it is about an earlier search
    assert boot.perform({"search": 1, "name": "good"}) == {"x": 1}
    boot.stop(1)
    serving.join()
    box.close("The worker has ended the search.")
    answer = boot.perform({"search": 1, "name": "good"})
    assert answer == {"unfit": "The worker has ended the search."}


def test_the_next_search_does_not_wait_for_the_one_before(boot, parts):
    """A worker that still loads the models of one search begins the next with a box of its own."""
    first, second = boot._begin(1, {}), boot._begin(2, {})
    assert parts.box.BOXES.pop(1) is first and parts.box.BOXES.pop(2) is second
    first.serve(pytest.fail)  # it ends at once
    assert second.jobs.empty()
    boot.stop(1)
    assert second.jobs.empty()
