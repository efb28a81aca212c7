"""What people do to make a model faster or smaller keeps working, or is refused in one sentence."""

import os

import pytest
from pack.benchmarks.host_cases import simulated, tricks
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, search, with_input
from pack.tools.probing.runs import Runs, assert_counted
from pack.tools.probing.wiring import IMAGE, STEPS, cfg

NAMES_ALONE = (
    "a function with the name of a cache", "options with the names of caches",
    "wrappers with the names of caches",
)  # fmt: skip


@pytest.mark.parametrize("case", tricks.CASES, ids=lambda case: case.what)
def test_the_row_holds(host, same_row, case):
    same_row("tricks", case.row(host))


@pytest.mark.parametrize("case", simulated.CASES, ids=lambda case: case.what)
def test_the_row_of_simulated_devices_holds(swapping, same_row, case):
    if case.newest and swapping["two devices"] is None:
        pytest.skip("this ComfyUI has no work units")
    same_row("tricks", case.row(swapping))


def test_a_backend_that_takes_one_row_a_call_makes_clips(host):
    tricks.one_row_a_call(host, "Wan 2.1 T2V")


def test_a_backend_that_fails_all_the_same_says_so(host):
    graph = search()
    graph["one row"] = node("ProbeOneRow", model=["count", 0], refuses=True)
    graph = with_input(graph, "guider", "model", ["one row", 0])
    graph = with_input(graph, "guider", "cfg", 2.0)  # the host asks for two rows at least
    with pytest.raises(ComfyError, match="Batch size > 1 currently not supported"):
        host.run(graph)


@pytest.mark.parametrize("kind", NAMES_ALONE)
def test_a_name_alone_is_no_cache(host, kind):
    runs = Runs("Z-Image")
    plain = runs.run("plain")
    runs.model = runs.node("ProbeCache", model=runs.model, kind=kind)
    runs.compare("same", plain, runs.run("one", budget=STEPS))
    shown = runs.show(host)
    assert_counted(shown["one"], STEPS)
    assert shown["same"]["differ"] == 0.0


@pytest.mark.skipif(
    "FLOW_SEARCH_INDUCTOR" not in os.environ,
    reason="FLOW_SEARCH_INDUCTOR is not set: it compiles for minutes, by a C++ compiler",
)
def test_compiled_by_inductor(host):
    """The same candidates, by the host's own node; its calls are of one row and of several."""
    reports = []
    for backend in (None, "inductor"):
        graph = search(budget=12, name=f"compiled by {backend}")
        if backend:
            graph["compiled"] = node("TorchCompileModel", model=["loader", 0], backend=backend)
            graph = with_input(graph, "count", "model", ["compiled", 0])
        reports.append(host.probe(graph)["report"])
    plain, compiled = ([row["reward"] for row in report["trace"]] for report in reports)
    assert compiled == pytest.approx(plain, abs=1e-4)
    assert [report["spent"]["nfe"] for report in reports] == [12, 12]


def test_work_units_on_one_device(host):
    """The node leaves the model as it is."""
    if "MultiGPU_WorkUnits" not in host.client.get("/object_info"):
        pytest.skip("this ComfyUI has no work units")
    runs = Runs(IMAGE)
    cfg(runs)
    own = runs.run("own", budget=2 * STEPS)
    runs.model = runs.node("MultiGPU_WorkUnits", model=runs.model, max_gpus=2)
    runs.compare("same", own, runs.run("split", budget=2 * STEPS))
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0
    assert_counted(shown["split"], 2 * STEPS)
