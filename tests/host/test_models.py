"""Every model class of the host: searched as the plain sampler samples it, or refused clearly."""

import re

import pytest
from pack.benchmarks.host_cases import models, page
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node
from pack.tools.probing.runs import Runs, refused
from pack.tools.probing.server import NEWEST
from pack.tools.probing.tiny import MODELS

# What older hosts say of a model that they lack, or that needs a pooled text there.
OLDER = re.compile(r"^module 'comfy.supported_models' has no|^'pooled_output'$|^\w+Params.__init__")


@pytest.fixture(scope="module")
def outcome(host):
    """key -> what its prompt showed, or the sentence it was refused with; each run once."""
    version = host.client.get("/system_stats")["system"]["comfyui_version"]
    seen = {}

    def of(key):
        if key not in seen:
            seen[key] = models.outcome(host, key)
        if version != NEWEST and OLDER.search(str(seen[key])):
            pytest.skip(f"not in this ComfyUI: {seen[key]}")
        return seen[key]

    return of


@pytest.mark.parametrize("key", MODELS)
def test_the_row_holds(outcome, same_row, key):
    same_row("models", {"model": key} | models.cells(key, outcome(key)))


def test_a_run_does_not_depend_on_those_before(host):
    """HiDream-O1 keeps what it computed of the text from call to call, which changes rounding."""
    runs = Runs("HiDream-O1")
    runs.run("before")
    runs.show(host)
    after = runs.run("after")
    runs.model = runs.node("ProbeTinyModel", key=runs.key, loaded=False, number=1)
    runs.compare("alike", after, runs.run("on another one"))
    assert runs.show(host)["alike"]["differ"] == 0.0


def test_noise_has_the_scale_of_the_model(host, outcome):
    """HiDream-O1's noise is 8 times as wide: that of births, and that of steps."""
    outcome("HiDream-O1")
    runs = Runs("HiDream-O1")
    runs.model = runs.node("ProbeSpread", model=runs.model, name="O1")
    runs.sampler = runs.ours(20.0, "linear")  # nothing but fresh noise is left after a step
    out = runs.run("search", budget=models.BUDGET, init_particles=2, finish_steps=1)
    runs.graph["spread"] = node("ProbeShowSpread", after=out, name="O1")
    shown = runs.show(host)
    born, child, *_ = shown["spread"]
    second = shown["search"]["report"]["sigmas"][1]
    assert born == pytest.approx([8.0, 8.0], rel=0.05)
    assert child == pytest.approx([8.0 * second] * len(child), rel=0.05)


def test_guidance_is_refused_where_noise_has_another_scale(host, outcome):
    outcome("HiDream-O1")
    runs = Runs("HiDream-O1")
    runs.graph[runs.sampler[0]]["inputs"] |= {
        "guidance": "x0", "guidance.strength": 1.0, "guidance.schedule": "relative"
    }  # fmt: skip
    runs.same = runs.bright
    refused(host, runs, "a model of standard normal noise: got a noise scale of 8, expected 1")


@pytest.mark.parametrize("key", models.HOST_CANNOT_EDIT)
def test_what_the_host_cannot_edit(host, key):
    runs = Runs(key)
    models.stock_edit(runs)
    with pytest.raises(ComfyError, match="channels|shapes|size of tensor"):
        runs.show(host)


def test_every_class_of_the_host_is_here(host, version):
    known = set(host.probe({"probe": node("ProbeTinyClasses")}))
    assert known == {tiny.config for tiny in MODELS.values()} | set(page.NOT_TRIED)
