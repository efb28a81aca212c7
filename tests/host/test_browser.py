"""The panel in ComfyUI's front-end, in a headless Chromium."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pack.tools import chromium as finder
from pack.tools.chromium import CHROME, PROGRAMS, chromium
from pack.tools.demonstration import WORKFLOW as DEMO
from pack.tools.probing.server import ODD_NAME
from pack.tools.saved_workflow import to_api
from pack.tools.workflows.examples import EXAMPLES
from pack.tools.workflows.graph import Graph, Output

from .helpers.browser import browser_tools
from .helpers.prompts import post
from .helpers.standins import picture

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A system without browser and modules. Returns its folder for programs."""
    for name in ("FLOW_SEARCH_CHROMIUM", "FLOW_SEARCH_BROWSER", "FLOW_SEARCH_JS", *PROGRAMS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROGRAMFILES", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(finder, "MAC", [])
    return tmp_path


def test_the_browser_is_found_in_its_places(bare, monkeypatch):
    assert chromium() is None
    chrome = bare / CHROME
    chrome.parent.mkdir(parents=True)
    chrome.touch()
    assert chromium() == str(chrome)
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "google-chrome" else None)
    assert chromium() == "google-chrome"
    monkeypatch.setenv("FLOW_SEARCH_CHROMIUM", "/my/own")
    assert chromium() == "/my/own"


def test_a_missing_browser_skips_or_fails(bare, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception, match="needs Node.js and Chromium"):
        browser_tools()
    monkeypatch.setenv("FLOW_SEARCH_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="needs Node.js and Chromium"):
        browser_tools()
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(pytest.fail.Exception, match="no folder with playwright-core"):
        browser_tools()


def play(host, tools, tmp_path, script, *words):
    """Run a script of tests/browser, and return what it prints. FLOW_SEARCH_SHOTS is a folder for
    its screenshots.

    The host's history is emptied first. It may hold a NaN of another test, which no page can read.
    A script that fails may leave a long search behind: it is stopped for the tests that follow.
    """
    node, modules, browser = tools
    status, _ = post(host, "/history", {"clear": True})
    assert status == 200
    shots = Path(os.environ.get("FLOW_SEARCH_SHOTS", tmp_path))
    command = [node, ROOT / "tests" / "browser" / script, host.client.url, *words, shots]
    words = [*map(str, command), modules, browser]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=900)
    if done.returncode != 0:
        post(host, "/queue", {"clear": True})
        post(host, "/interrupt", {})
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_the_panel(host, tools, tmp_path):
    play(host, tools, tmp_path, "panel.mjs", DEMO, host.base / "output")


def test_field_20_every_input_that_a_choice_adds_has_its_tooltip(host, tools, tmp_path):
    play(host, tools, tmp_path, "tooltips.mjs")


def test_every_example_opens_and_queues_what_its_file_says(host, version, tools, tmp_path):
    picture(host, "example.png")
    said = play(host, tools, tmp_path, "examples.mjs", ODD_NAME)
    queued, info = json.loads(said.splitlines()[-1]), host.client.get("/object_info")
    assert [*queued] == [*EXAMPLES]
    for name, prompt in queued.items():
        workflow = json.loads((DEMO.parent / f"{name}.json").read_text("utf-8"))
        assert prompt == to_api(workflow, info), name


def test_a_missing_chinese_text_is_shown_in_english(host, tools, tmp_path):
    play(host, tools, tmp_path, "chinese.mjs")


def test_field_22_to_25_the_panel_shows_how_a_search_ended(host, tools, tmp_path):
    play(host, tools, tmp_path, "endings.mjs", DEMO, host.base / "output")


def stock(object_info):
    """The stock text-to-image workflow, with the demo model's loader."""
    g = Graph(object_info, {"left": 0, "middle": 400, "right": 800})
    loader = g.add("left", "FlowSearchDemoLoader", checkpoint="fast")
    clip, vae = Output(loader.node, 1), Output(loader.node, 2)
    positive = g.add("middle", "CLIPTextEncode", text="one red circle", clip=clip)
    negative = g.add("middle", "CLIPTextEncode", text="", clip=clip)
    latent = g.add("left", "EmptyLatentImage", width=64, height=64, batch_size=1)
    drawn = g.add(
        "right", "KSampler", model=loader, positive=positive, negative=negative, seed=7, steps=4,
        cfg=1.0, sampler_name="euler", scheduler="simple", latent_image=latent,
    )  # fmt: skip
    images = g.add("right", "VAEDecode", samples=drawn, vae=vae)
    g.add("right", "SaveImage", images=images, filename_prefix="swap")
    return g.workflow()


@pytest.fixture
def stock_file(host, tmp_path):
    file = tmp_path / "stock.json"
    file.write_text(json.dumps(stock(host.client.get("/object_info"))), "utf-8")
    return file


def test_a_ksampler_becomes_a_search_with_two_nodes_and_two_wires(
    host, tools, tmp_path, stock_file
):
    play(host, tools, tmp_path, "swap.mjs", stock_file)


def test_the_blueprint_shows_its_panel_outside(host, version, tools, tmp_path, stock_file):
    play(host, tools, tmp_path, "blueprint.mjs", stock_file)
