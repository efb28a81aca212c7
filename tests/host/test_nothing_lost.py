"""What accompanies a result never decides whether it comes back (Field 1, 2 and 36).

scripts/nothing_lost.py breaks what is around a search. scripts/nothing_lost_exported.py runs a
workflow as a script. The other tests use the server.
"""

import json
import math

import numpy as np
import pytest
from pack.tools.demonstration import WORKFLOW
from pack.tools.probing.graphs import node, search
from pack.tools.saved_workflow import to_api
from PIL import Image

from .helpers.prompts import ended, post
from .helpers.scripts import run_script


@pytest.fixture(scope="module")
def lost(comfyui, tmp_path_factory):
    return run_script("nothing_lost.py", comfyui, tmp_path_factory.mktemp("lost"))


QUIET = ("no hidden inputs", "hidden inputs without values")
ONE_LINE = {
    "a canvas that fails": "find the node on the canvas",
    "a socket that fails": "send an event to the browser: OSError: [Errno 28] No space left",
    "a progress bar that fails": "show its progress in the browser",
    "a console that fails": "show a progress bar in the console",
    "no console": "show a progress bar in the console",
    "no temp folder": "store the result for the panel: NotADirectoryError",
    "no output folder": "keep the journal of the search: NotADirectoryError",
    "a workflow in circles": "store the result for the panel: ValueError: Circular reference",
    "a workflow that cannot be changed": "keep the report for saved images",
    "settings that are no numbers": "write all of the settings as JSON",
    "settings that are anything": "write all of the settings as JSON",
    "settings in circles": "write all of the settings as JSON: ValueError: Circular reference",
    "settings that are none": "report the settings of the reward",
}


@pytest.mark.parametrize("trouble", [*QUIET, *ONE_LINE])
def test_the_result_is_the_same_and_one_line_says_what_failed(lost, trouble):
    """Field 1 and 36; without hidden inputs Field 2."""
    told = dict(lost["told"][trouble])
    lines = told.pop("lines")
    assert told | {"lines": []} == lost["told"]["nothing"]
    if trouble in QUIET:
        assert lines == []
    else:
        (line,) = lines
        assert line.startswith(f"Flow Search could not {ONE_LINE[trouble]}")


@pytest.mark.parametrize(
    "trouble", ["pictures that cannot be packed", "pictures that cannot be made"]
)
def test_pictures_that_fail_everywhere_are_a_line_each(lost, trouble):
    """Field 1: preview, journal and panel."""
    told = dict(lost["told"][trouble])
    lines = told.pop("lines")
    assert told | {"lines": []} == lost["told"]["nothing"]
    assert 2 <= len(lines) == len(set(lines)) <= 4


def test_a_cancel_is_no_failure(lost):
    for trouble in ("cancelled", "a callback that cancels"):
        told = lost["told"][trouble]
        assert told == {"error": "InterruptProcessingException", "lines": []}


@pytest.mark.parametrize(
    ("trouble", "same", "line"),
    [
        ("a callback that fails", "sampler", "show a step of the sampler"),
        ("scores with settings that are no numbers", "scores", "write all of the scores as JSON"),
        ("a table without a temp folder", "table", "show the chart on the node"),
        ("a table and a full disk", "table", "save the table of the search: OSError: [Errno 28]"),
    ],
)
def test_the_other_nodes_give_theirs_too(lost, trouble, same, line):
    """Field 1: the sampler alone, Score Images, Search Report."""
    told, without = (dict(lost["told"][name]) for name in (trouble, same))
    (said,), _ = told.pop("lines"), without.pop("lines")
    assert told == without and "error" not in told
    assert said.startswith(f"Flow Search could not {line}")


def test_nothing_half_written_is_left(lost):
    """Field 37: neither temporary files, nor a journal of a search that has ended."""
    assert not [name for name in lost["left"] if name.endswith((".part", ".lock"))]
    assert not [name for name in lost["left"] if "journal" in name]


@pytest.fixture(scope="module")
def forgetful(host):
    """A server whose history forgets these workflows: the page's list of jobs cannot read them."""
    yield host
    post(host, "/history", {"clear": True})


STRANGE = [
    {"nodes": None},
    {"nodes": None, "definitions": None},
    {"nodes": [], "definitions": {"subgraphs": None}},
    {"nodes": [None, 3, "search", [], {}, {"id": None}, {"id": {}}], "definitions": []},
    {"nodes": {"search": {}}, "definitions": "none"},
    {"nodes": 7, "definitions": {"subgraphs": [None, 3, {}, {"id": []}, {"nodes": None}]}},
    {"id": {"not": "a string"}, "nodes": [{"id": "22", "type": ["a"]}]},
    {},
    [],
    ["search"],
    "a text",
    12,
]


@pytest.mark.parametrize("workflow", STRANGE, ids=lambda workflow: json.dumps(workflow)[:40])
@pytest.mark.parametrize("name", ["search", "22:9"])
def test_a_strange_workflow_loses_no_result(forgetful, workflow, name):
    """Field 1: what extra_pnginfo holds is what any program wrote."""
    graph = quick(STRANGE.index(workflow))
    graph[name] = graph.pop("search")
    graph["probe"]["inputs"] |= {"latent": [name, 0], "images": [name, 1], "report": [name, 2]}
    shown = json.loads(forgetful.run(graph, workflow)["probe"]["probe"][0])
    assert shown["report"]["spent"]["nfe"] == 4


def quick(seed):
    inputs = {"budget": 4, "init_particles": 1, "finish_steps": 0, "name": "strange"}
    return search(seed=2000 + seed, **inputs)


@pytest.mark.parametrize(
    "info", [None, [], ["workflow"], "a text", 3, {"flow_search": 5}, {"flow_search": [], "a": 1}]
)
def test_strange_metadata_loses_no_result(forgetful, info):
    """Field 1."""
    graph = quick(100 + len(json.dumps(info)))
    body = {"prompt": graph, "extra_data": {"extra_pnginfo": info}}
    status, answer = post(forgetful, "/prompt", body)
    assert status == 200
    entry = ended(forgetful, json.loads(answer)["prompt_id"])
    shown = json.loads(entry["outputs"]["probe"]["probe"][0])
    assert shown["report"]["spent"]["nfe"] == 4


def demo_prompt(host):
    """The demo's prompt, and beside it each other node of the pack."""
    workflow = json.loads(WORKFLOW.read_text("utf-8"))
    graph = to_api(workflow, host.client.get("/object_info"))
    rbf = next(n for n, each in graph.items() if each["class_type"] == "FlowSearchRBF")
    own = {k: v for k, v in graph[rbf]["inputs"].items() if k not in ("init_particles", "paths")}
    reward, graph[rbf]["inputs"]["budget"] = own["reward"], 30
    graph["101"] = node(
        "FlowSearchRewardCombine", reward_1=reward, reward_2=reward,
        **{"mode": "weighted_sum", "mode.weight_2": 2.0},
    )  # fmt: skip
    graph["102"] = node(
        "FlowSearchParticles",
        **own | {"method": "svdd", "method.paths": 2, "reward": ["101", 0], "budget": 30},
    )
    graph["103"] = node("FlowSearchReport", report=["102", 2], csv_prefix="flow_search/report")
    graph["104"] = node(
        "FlowSearchRewardScore", images=["102", 1], reward=reward, prompt="three red circles"
    )
    graph["105"] = node("PreviewImage", images=["104", 1])
    return graph


@pytest.fixture(scope="module")
def exported(host, comfyui, tmp_path_factory):
    """What a workflow gives as a script, and the folder of its outputs."""
    place = tmp_path_factory.mktemp("exported")
    prompt = json.dumps(demo_prompt(host))
    return run_script("nothing_lost_exported.py", comfyui, prompt, place), place


@pytest.mark.parametrize(
    ("kind", "hidden"), [("no server", False), ("hidden inputs as inputs", True)]
)
def test_an_exported_script_runs(exported, kind, hidden):
    """Field 2: each node by its `EXECUTE_NORMALIZED`, dynamic inputs by names with a dot."""
    shown, place = exported[0][kind], exported[1] / kind
    images, report = shown["FlowSearchRBF"]
    assert images[1:] == [128, 128, 3] and math.isfinite(json.loads(report)["best"]["reward"])
    settings = json.loads(shown["FlowSearchParticles"][1])["settings"]
    assert settings["method.paths"] == 2 and settings["reward_1.reward"] == "shape_count"
    assert shown["FlowSearchRewardScore"] and shown["FlowSearchReport"]
    assert list(place.glob("output/flow_search/report_*.csv"))
    assert list(place.glob("temp/ComfyUI_temp_*.png"))
    assert not list(place.glob("output/flow_search/journal*"))
    picture, *_ = place.glob("output/**/*.png")
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert pixels.std() > 5
    if hidden:
        (kept,) = json.loads(Image.open(picture).info["flow_search"]).values()
        assert kept == json.loads(report)
