"""The example workflows, as a user's browser would queue them."""

import io
import itertools
import json
from functools import cache
from pathlib import Path
from urllib.parse import quote

import comfyui_workflow_templates
import numpy as np
import pytest
from pack.benchmarks.multiplier_plan import redrawn
from pack.tools import demo_runs as demo
from pack.tools.demonstration import WORKFLOW
from pack.tools.probing.server import NEWEST, ODD_NAME
from pack.tools.saved_workflow import to_api
from pack.tools.workflows.examples import EXAMPLES, build
from PIL import Image

from ..rewards.over_http.vlm_server import serve
from .helpers.standins import small

FOLDER = Path(__file__).resolve().parents[2] / "example_workflows"
WORKFLOWS = sorted(FOLDER.glob("*.json"))
KINDS = {name: fill.__name__ for name, fill in EXAMPLES.items()}
# They need no downloads, and are quick.
WHOLE = ("flow_search_demo", "ksampler_swap", "demo_batch", "workers_share")
BATCHES = {"demo_batch": 3, "sdxl_batch": 2}  # without a search, and how many images are kept


def loaded(host, path):
    workflow = json.loads(path.read_text("utf-8"))
    return workflow, to_api(workflow, host.object_info)


def is_perfect(report):
    """Whether a search ended at the highest score of its reward."""
    found = max(row["reward"] for row in report["trace"])
    return report["stopped"] == "target" and found == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_it_runs_and_its_picture_carries_the_report(host, comfyui, path):
    """On tiny weights, but for those that the pack brings."""
    judge = comfyui / "comfy" / "text_encoders" / "qwen3vl.py"
    if "vqascore_host" in path.read_text("utf-8") and not judge.exists():
        pytest.skip("this ComfyUI has no model that generates text from a picture")
    (workflow, prompt), kind = loaded(host, path), KINDS[path.stem]
    with serve("vllm") as server:
        prompt = prompt if kind in WHOLE else small(host, prompt, server.url)
        outputs = host.run(prompt, workflow)
    shown = [o["flow_search_report"][0] for o in outputs.values() if "flow_search_report" in o]
    reports = [json.loads(text) for text in shown]
    assert bool(reports) == (kind not in BATCHES)
    assert all(r["spent"]["nfe"] <= r["budget"]["nfe"] for r in reports)
    saved = [image for o in outputs.values() for image in o.get("images", [])]
    saved = [image for image in saved if image["type"] == "output"]
    pictures = [image for image in saved if image["filename"].endswith(".png")]
    assert saved and (pictures or "SaveImage" not in {node["type"] for node in workflow["nodes"]})
    assert kind not in BATCHES or len(pictures) == BATCHES[kind]
    for image in pictures:
        picture = Image.open(io.BytesIO(host.client.image(image)))
        assert picture.size == (128, 128)
        assert len({pixel for _, pixel in picture.getcolors(1 << 20)}) > 50
        kept = json.loads(picture.info.get("flow_search", "{}"))
        assert bool(kept) == bool(reports) and all(report in reports for report in kept.values())
    if kind == "flow_search_demo":
        for report in reports:  # the whole budget, or as much as a perfect picture took
            whole = report["spent"]["nfe"] == report["budget"]["nfe"]
            assert whole == (report["stopped"] == "budget") and (whole or is_perfect(report))
        assert list(kept.values()) == reports


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_file_is_the_one_that_the_code_builds(host, generated, name):
    version = host.client.get("/system_stats")["system"]["comfyui_version"]
    if version != NEWEST:
        pytest.skip(f"the files are built for ComfyUI {NEWEST}, this is {version}")
    built = build(name, host.object_info)
    text = json.dumps(built, indent=1, ensure_ascii=False) + "\n"
    generated(f"example_workflows/{name}.json", text)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_a_note_names_every_download_and_a_picture_shows_it(path):
    nodes = json.loads(path.read_text("utf-8"))["nodes"]
    (note,) = [node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote"]
    for node in nodes:
        values = [v for v in node.get("widgets_values") or [] if isinstance(v, str)]
        files = [v for v in values if v.endswith((".safetensors", ".pt", ".pth"))]
        if node["type"] == "FlowSearchRewardLoader" and node["inputs"][1]["type"] == "COMBO":
            files += [values[1]] if node["inputs"][1]["name"] == "reward.checkpoint" else []
        for file in files if node["type"] != "MarkdownNote" else ():
            assert f"[{file}](https://" in note, file
    with Image.open(path.with_suffix(".jpg")) as thumbnail:
        assert max(thumbnail.size) <= 640 and thumbnail.format == "JPEG"


def test_no_two_thumbnails_look_alike():
    """On average over a small copy, their pixels differ by at least a few of 256 levels."""
    small_copies = {}
    for path in WORKFLOWS:
        with Image.open(path.with_suffix(".jpg")) as thumbnail:
            pixels = thumbnail.convert("RGB").resize((64, 64), Image.Resampling.BOX)
            small_copies[path.stem] = np.asarray(pixels, float)
    for one, other in itertools.combinations(small_copies, 2):
        distance = abs(small_copies[one] - small_copies[other]).mean()
        assert distance > 4, f"{one} and {other}: {distance:.1f}"


def test_the_docs_list_every_example_in_order():
    page = (FOLDER.parent / "docs" / "examples.md").read_text("utf-8")
    places = [page.find(f"| {name} |") for name in EXAMPLES]
    assert -1 not in places and places == sorted(places)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_the_page_offers_every_download(path):
    """By `properties.models` of the node that loads the file, from where ComfyUI's own templates
    have it."""
    offered = set()
    for node in json.loads(path.read_text("utf-8"))["nodes"]:
        models = node["properties"].get("models", [])
        offered |= {model["name"] for model in models}
        assert all(model["name"] in node["widgets_values"] for model in models)
        rewards = [model for model in models if model["directory"] == "rewards"]
        assert all(model in templates_models() for model in models if model not in rewards)
        assert all(model["url"].endswith(model["name"]) for model in rewards)
        if "Load" in node["type"] and not node["type"].startswith("FlowSearch"):
            files = [v for v in node["widgets_values"] if str(v).endswith(".safetensors")]
            assert set(files) <= offered


@cache
def templates_models():
    """What ComfyUI's own templates offer to download: name, url and directory of each."""
    models, packages = [], Path(comfyui_workflow_templates.__file__).parents[1]
    for file in packages.glob("comfyui_workflow_templates*/**/*.json"):
        body = json.loads(file.read_text("utf-8"))
        if isinstance(body, dict):
            graphs = [body, *body.get("definitions", {}).get("subgraphs", [])]
            nodes = [node for graph in graphs for node in graph.get("nodes", [])]
            for model in (m for n in nodes for m in n.get("properties", {}).get("models", [])):
                models.append({key: model.get(key) for key in ("name", "url", "directory")})
                models[-1]["url"] = str(model.get("url")).removesuffix("?download=true")
    return models


def test_the_template_browser_shows_them(host):
    """Under the pack's folder: the names in the order to try them, each file and its picture."""
    for route in ("/workflow_templates", "/api/workflow_templates"):
        assert host.client.get(route)[ODD_NAME] == [path.stem for path in WORKFLOWS] == [*EXAMPLES]
    for path in WORKFLOWS:
        for file in (path, path.with_suffix(".jpg")):
            served = host.client.read(f"/api/workflow_templates/{ODD_NAME}/{quote(file.name)}")
            assert served == file.read_bytes(), file


def test_the_demo_is_the_rbf_of_the_tables(host):
    """Its workflow has the settings that docs/results.md has for the model."""
    _, prompt = loaded(host, WORKFLOW)
    kinds = {each["class_type"]: each["inputs"] for each in prompt.values()}
    search, setting = kinds["FlowSearchRBF"], redrawn("rbf", demo.BUDGET, "fast")
    shown = {name: search[name] for name in ("budget", "finish_steps", "top_k", "lookahead")}
    assert shown == {
        "budget": setting.budget, "finish_steps": setting.finish, "top_k": setting.top_k,
        "lookahead": setting.lookahead,
    }  # fmt: skip
    assert search["init_particles"] == 0  # automatic: a quarter of the budget
    sampler, sigmas = kinds["FlowSearchVPSDESampler"], kinds["FlowSearchScheduler"]
    assert (sampler["kernel"], sampler["diffusion_norm"]) == (setting.kernel, setting.norm)
    assert (sampler["interpolant"], sampler["diffusion"]) == (setting.path, setting.shape)
    assert (sigmas["steps"], sigmas["spacing"]) == (setting.steps, setting.spacing)
    assert kinds["FlowSearchRewardLoader"]["reward"] == "shape_count"


def test_the_demos_methods_share_seed_text_and_budget(host):
    """One prompt by each method, with a small budget."""
    workflow, _ = loaded(host, WORKFLOW)
    chosen = demo.with_prompt(workflow, demo.PROMPTS[1], seed=5)
    prompt = to_api(chosen, host.object_info)
    prompt[demo.find(prompt, "FlowSearchRBF")]["inputs"] |= {"budget": 20, "init_particles": 3}
    reports = {}
    for name, graph in demo.variants(prompt).items():
        outputs = host.run(graph)
        shown = next(o for o in outputs.values() if "flow_search_report" in o)
        reports[name] = json.loads(shown["flow_search_report"][0])
    assert tuple(reports) == demo.METHODS
    for name, report in reports.items():
        assert report["seed"] == 5 and report["settings"]["prompt"] == demo.PROMPTS[1]
        assert report["spent"]["nfe"] == (4 if name == demo.PLAIN else 20)
    assert [reports[name]["spent"]["decodes"] for name in (demo.PLAIN, demo.BEST)] == [1, 10]
    assert reports[demo.AUTO]["method"] == demo.AUTO and reports[demo.RBF]["method"] == "rbf"
