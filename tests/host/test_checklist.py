"""A search by a checklist, and what the report says of its items."""

import json

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import CAPTION, node, search

from ..rewards import tiny_t5, tiny_vlm
from .helpers.reward_graphs import combine, loader, scored_again
from .helpers.server_memory import free, settled

LINES = "Is there a red circle?\nHow many blue squares are there? = 2 * 2\nIs it night? = no"


@pytest.fixture(scope="module")
def folders(host):
    """Tiny judges."""
    for name, build in (("listed_t5", tiny_t5.build), ("listed_vlm", tiny_vlm.build)):
        folder = host.base / "models" / "rewards" / name
        folder.mkdir(parents=True)
        build(folder)


def test_a_search_by_a_checklist(host, folders):
    start = settled(host)
    graph = search(name="checklist", budget=8, steps=3, init_particles=2, finish_steps=1, top_k=2)
    graph["judge"] = loader("vqascore_vlm", checkpoint="listed_vlm")
    graph["reward"] = loader("checklist", judge=["judge", 0], questions=LINES)
    graph = scored_again(graph)
    shown = {name: out["probe"][0] for name, out in host.run(graph).items() if "probe" in out}
    report = json.loads(shown["probe"])["report"]
    assert report["settings"]["reward.questions"] == LINES
    assert report["settings"]["reward.judge.reward"] == "vqascore_vlm"
    assert report["spent"]["rewards"] == len(report["trace"])
    listed = {row["id"]: row["items"] for row in report["trace"] if "items" in row}
    assert set(listed) == {winner["id"] for winner in report["top"]}
    for winner in (report["best"], *report["top"]):
        items = listed[winner["id"]]
        assert winner["items"] == items
        assert [item["answer"] for item in items] == ["yes", "2", "no"]
        p = [item["p"] for item in items]
        wanted = (p[0] * p[1] ** 2 * p[2]) ** 0.25
        assert winner["reward"] == pytest.approx(wanted, rel=0.01, abs=1e-3)
    again = json.loads(shown["probe again"])["scores"]
    assert again["items"][0]["question"] == "Is there a red circle?"
    assert max(again["scores"]) == pytest.approx(report["best"]["reward"], rel=1e-3, abs=1e-4)
    free(host)
    assert settled(host, start) == start


def test_questions_from_the_prompt_in_a_combination(host, folders):
    """The items go through the combination."""
    graph = search(name="made", budget=6, steps=3, init_particles=2, finish_steps=1)
    graph["judge"] = loader("vqascore", checkpoint="listed_t5")
    graph["list"] = loader("checklist", judge=["judge", 0], mean="arithmetic")
    graph["bright"] = loader("brightness")
    graph["reward"] = combine("weighted_sum", "list", "bright")
    report = host.probe(graph)["report"]
    asked = [item["question"] for item in report["best"]["items"]]
    assert asked == [
        "How many circles are in the image?", "Are the circles red?",
        "How many squares are in the image?", "Are the squares blue?",
        f'Does this figure show "{CAPTION}"?',
    ]  # fmt: skip


def test_an_edit_is_judged_by_a_model_of_the_hosts(host, comfyui):
    if not (comfyui / "comfy" / "text_encoders" / "qwen3vl.py").exists():
        pytest.skip("this ComfyUI has no model that generates text from a picture")
    graph = search(name="edit", budget=6, steps=3, init_particles=2, finish_steps=1)
    graph["vlm"] = node("ProbeTinyVLM")
    graph["before"] = node("EmptyImage", width=48, height=32, batch_size=1, color=0xC02010)
    graph["judge"] = loader("vqascore_host", clip=["vlm", 0], source=["before", 0])
    graph["reward"] = loader("checklist", judge=["judge", 0])
    report = host.probe(graph)["report"]
    done, kept = report["best"]["items"]
    assert done["question"].startswith("Was exactly this done in the second image")
    assert 0.0 < done["p"] < 1.0 and 0.0 < kept["p"] < 1.0
    assert report["settings"]["reward.judge.reward.source"] is True
    assert len({row["reward"] for row in report["trace"]}) > 1


def test_a_reward_that_answers_nothing_is_refused_before_the_search(host):
    graph = search(name="no judge", budget=6)
    graph["judge"] = loader("brightness")
    graph["reward"] = loader("checklist", judge=["judge", 0])
    with pytest.raises(ComfyError, match="got a reward that answers no questions"):
        host.run(graph)
