"""Tricks that need a GPU or two: measured on simulated devices, by `simulated_run.py`."""

from __future__ import annotations

from .case import Case, Row, near

SAME = {"search": "works, the same candidates"}


def low_vram(results: dict) -> Row:
    """Weights that stay off the device are brought there call by call: the same bits."""
    return little_memory(results, results["low VRAM"], (0.0, 1.0))


def no_vram(results: dict) -> Row:
    return little_memory(results, results["no VRAM"], (-1.0, 0.1))


def little_memory(results: dict, measured: dict, share: tuple[float, float]) -> Row:
    """The same particles with few weights on the device.

    Args:
        results: of all searches.
        measured: the search with little memory.
        share: bounds of the share of the weights that are on the device.
    """
    assert share[0] < measured["held"][0] < share[1]
    assert measured["rewards"] == results["little"]["rewards"]
    return SAME


def compiled(results: dict) -> Row:
    """One graph for a single row, one for the rows of the first call, one for any number."""
    measured = results["compiled"]
    assert measured["graphs"] == 3 and measured["ran"] == measured["spent"]["network_calls"]
    assert measured["rewards"] == results["little"]["rewards"]
    return SAME


def conditions_on_two_devices(results: dict) -> Row:
    """Each condition of CFG on a device."""
    single, two = results["one device"], results["two devices"]
    assert (len(single["held"]), len(two["held"])) == (1, 2)
    assert two["spent"]["network_calls"] == 2 * single["spent"]["network_calls"]
    assert two["spent"]["nfe"] == single["spent"]["nfe"] == 40
    assert near(two["rewards"], single["rewards"], 1e-3)
    return SAME


def rows_on_two_devices(results: dict) -> Row:
    """Calls of 4 rows on two devices are calls of 2 rows on one, to the last bit."""
    single, two = results["rows of one"], results["rows of two"]
    assert two["rows"] == {"cpu:0": 16, "cpu": 16} and not single["rows"]
    for key in ("rewards", "best", "picture"):
        assert single[key] == two[key]
    for key in ("nfe", "network_calls"):
        assert single["spent"][key] == two["spent"][key]
    return {"search": "works, the same particles"}


SPLIT = "MultiGPU CFG Split"
CASES = [
    Case("`--lowvram` (device simulated)", "demo", low_vram),
    Case("`--novram` (device simulated)", "demo", no_vram),
    Case("torch.compile (a backend that runs the graph as it is)", "demo", compiled),
    Case(f"{SPLIT} (devices simulated)", "demo", conditions_on_two_devices, newest=True),
    Case(f"{SPLIT}, without CFG (devices simulated)", "demo", rows_on_two_devices, newest=True),
]
