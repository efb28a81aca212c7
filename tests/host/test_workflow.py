"""The example workflows, as a user's browser would queue them."""

import io
import json
from pathlib import Path

import pytest
from pack.demo.client import to_api, variants
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "example_workflows"
WORKFLOWS = sorted(FOLDER.glob("*.json"))


def loaded(host, path):
    workflow = json.loads(path.read_text("utf-8"))
    return workflow, to_api(workflow, host.client.get("/object_info"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_it_runs_and_its_picture_carries_the_report(host, path):
    workflow, prompt = loaded(host, path)
    outputs = host.run(prompt, workflow)
    shown = next(o for o in outputs.values() if "flow_search_report" in o)
    report = json.loads(shown["flow_search_report"][0])
    assert report["spent"]["nfe"] == report["budget"]["nfe"]
    saved = [image for o in outputs.values() for image in o.get("images", [])]
    picture = Image.open(io.BytesIO(host.client.image(saved[0])))
    assert picture.size == (128, 128)
    assert len({pixel for _, pixel in picture.getcolors(1 << 20)}) > 50
    kept = json.loads(picture.info["flow_search"])
    assert list(kept.values()) == [report]


def test_the_demos_baselines_share_seed_and_text(host):
    """Plain and best of N are the ODE at the same seed: the first of N is the plain sample."""
    _, prompt = loaded(host, FOLDER / "flow_search_demo.json")
    reports = {}
    for name, graph in variants(prompt).items():
        outputs = host.run(graph)
        shown = next(o for o in outputs.values() if "flow_search_report" in o)
        reports[name] = json.loads(shown["flow_search_report"][0])
    plain, best, rbf = reports["plain sampler"], reports["best of N"], reports["RBF"]
    assert plain["seed"] == best["seed"] == rbf["seed"]
    assert plain["best"]["reward"] == pytest.approx(best["trace"][0]["reward"], abs=1e-3)
    assert best["spent"]["nfe"] <= rbf["budget"]["nfe"]
    assert best["best"]["reward"] >= plain["best"]["reward"]
    assert rbf["best"]["reward"] >= plain["best"]["reward"]
