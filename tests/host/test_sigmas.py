"""Sigmas of any scheduler, samplers that take over from a search, and samplers of whole images."""

import pytest
from pack.benchmarks.host_cases import sigmas


@pytest.mark.parametrize("case", sigmas.CASES, ids=lambda case: f"{case.what[:60]}, {case.model}")
def test_the_row_holds(host, request, same_row, case):
    if case.newest:
        request.getfixturevalue("version")
    same_row("sigmas", case.row(host))


def test_every_scheduler_of_the_host_is_here(host, version):
    options = host.object_info["BasicScheduler"]["input"]["required"]["scheduler"][1]["options"]
    assert list(sigmas.SCHEDULERS) == options
    nodes = {name for name, info in host.object_info.items() if "SIGMAS" in info["output"]}
    known = {*sigmas.SCHEDULER_NODES, *sigmas.OTHER_SCHEDULERS}
    assert nodes == known | {"BasicScheduler", "FlowSearchScheduler"}
