"""Nothing found is lost: cancel, stop now, errors, and candidates that fail."""

import contextlib
import io
import json

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import CAPTION, SIZE, node, particles, search, with_input
from PIL import Image

from .helpers.prompts import LONG, ended, post, rewards, seen, stop, trouble


@pytest.fixture(autouse=True)
def nothing_left_running(host):
    yield
    post(host, "/queue", {"clear": True})
    post(host, "/interrupt", {})


def spoiled_decoder(name, first=0, count=1 << 20, to="vae", **inputs):
    """A search whose decoder gives pictures that are not finite; its reward asserts it sees none.

    The decoder given as `to` is the spoiled one.
    """
    graph = trouble("nan", name, **inputs)
    graph["spoiled"] = node(
        "ProbeTroubledVAE", vae=["loader", 2], first=first, count=count, name=name
    )
    return with_input(graph, "search", to, ["spoiled", 0])


@contextlib.contextmanager
def saved(host):
    """Collects the files that the block adds to the folder of unfinished searches, sorted."""
    folder = host.base / "output" / "flow_search"
    before = set(folder.glob("*"))
    found = []
    yield found
    found += sorted(set(folder.glob("*")) - before)


def picture_reward(file, name="colour_count"):
    pixels = torch.from_numpy(np.array(Image.open(file)))[None] / 255
    return float(REWARDS[name]().load().score(pixels, [CAPTION]))


def test_cancel_ends_the_prompt_and_keeps_what_was_found(host):
    graph = trouble("slow", "cancel", budget=LONG)
    shown = [{"id": "search", "flow_search": {"of": "an earlier run"}}, {"id": "probe"}]
    with saved(host) as files:
        prompt_id = host.client.queue(graph, {"a": "workflow", "nodes": shown})
        seen(host, "cancel")
        post(host, "/interrupt", {})
        entry = ended(host, prompt_id)
    kinds = [kind for kind, _ in entry["status"]["messages"]]
    assert "execution_interrupted" in kinds and not entry["outputs"]
    assert [f.suffix for f in files] == [".json", ".png"] and files[0].stem == files[1].stem
    report = json.loads(files[0].read_text("utf-8"))
    assert report["stopped"] == "interrupt" and "error" not in report
    assert report["best"]["reward"] == max(rewards(report))
    assert report["spent"]["nfe"] < LONG
    assert picture_reward(files[1]) == pytest.approx(report["best"]["reward"], abs=0.05)
    info = Image.open(files[1]).info
    assert json.loads(info["prompt"]) == graph
    shown[0]["flow_search"] = {"report": report}
    assert json.loads(info["workflow"]) == {"a": "workflow", "nodes": shown}
    assert json.loads(info["flow_search"]) == {"search": report}
    assert str(files[1]) in host.log.read_text()
    assert not stop(host, prompt_id)
    assert host.probe(search(budget=12, name="next"))["report"]["spent"]["nfe"] == 12


def test_an_error_keeps_what_was_found_and_its_type(host):
    graph = trouble("raise", "raises", first=9, count=1)
    with saved(host) as files:
        entry = ended(host, host.client.queue(graph))
    message = next(d for k, d in entry["status"]["messages"] if k == "execution_error")
    assert message["exception_type"] == "RuntimeError"
    sentence, where = message["exception_message"].strip().split("\n")
    assert sentence == "the reward broke"
    assert where == f"Flow Search saved the best image so far: {files[1]}"
    report = json.loads(files[0].read_text("utf-8"))
    assert report["error"] == "RuntimeError: the reward broke"
    assert len(report["trace"]) == 9 and report["best"]["reward"] == max(rewards(report))
    assert "workflow" not in Image.open(files[1]).info


def test_nothing_is_saved_before_anything_was_scored(host):
    with saved(host) as files, pytest.raises(ComfyError) as caught:
        host.run(trouble("raise", "at once", count=1))
    assert str(caught.value) == "the reward broke" and not files


def test_a_finished_picture_is_preferred(host):
    """An unfinished one scores more; the second of two finishes raises."""
    graph = trouble("raise", "finish", first=19, count=1, top_k=2, seed=8)
    starts = graph["search"]["inputs"]["init_particles"]
    kernel = {"method.init_particles": starts, "method.children": "kernel"}
    graph = particles(graph, "rbf", **kernel)
    graph["reward"] = node("FlowSearchRewardLoader", reward="jpeg_compressibility")
    with saved(host) as files, pytest.raises(ComfyError):
        host.run(graph)
    report = json.loads(files[0].read_text("utf-8"))
    last = report["trace"][-1]
    assert last["kind"] == "finish" and last["reward"] < max(rewards(report))
    assert report["best"]["id"] == last["id"]
    worth = picture_reward(files[1], "jpeg_compressibility")
    assert worth == pytest.approx(last["reward"], rel=0.05)


def test_a_batch_keeps_the_finished_ones_too(host):
    graph = with_input(search(name="batch", budget=8), "latent", "batch_size", 2)
    graph["spoiled"] = node(  # 8 pictures a search: the second one has three that are finite
        "ProbeTroubledVAE", vae=["loader", 2], first=11, count=1 << 20, name="batch"
    )
    with saved(host) as files, pytest.raises(ComfyError, match="particles failed"):
        host.run(with_input(graph, "search", "vae", ["spoiled", 0]))
    assert [f.suffix for f in files] == [".json", ".png"] * 2
    first, second = (json.loads(f.read_text("utf-8")) for f in files[::2])
    assert first["stopped"] == "budget" and "error" not in first
    assert second["error"].startswith("ValueError: All 1 finished particles failed")
    assert second["best"]["id"] in (0, 1, 2)


def test_stop_now_finishes_the_best(host):
    graph = trouble("slow", "stop", budget=LONG)
    prompt_id = host.client.queue(graph)
    seen(host, "stop")
    assert not stop(host, prompt_id, "another") and not stop(host, "another")
    assert stop(host, prompt_id)
    shown = json.loads(ended(host, prompt_id)["outputs"]["probe"]["probe"][0])
    report = shown["report"]
    assert report["stopped"] == "interrupt" and shown["images"] == [1, SIZE, SIZE, 3]
    assert report["trace"][-1]["kind"] == "finish"
    assert report["spent"]["nfe"] == shown["counts"]["rows"] < LONG
    assert not stop(host, prompt_id)


def test_stop_now_ends_a_whole_batch_in_a_subgraph(host):
    graph = with_input(trouble("slow", "all", budget=LONG), "latent", "batch_size", 3)
    graph["22:9"] = graph.pop("search")
    graph["probe"]["inputs"] |= {
        "latent": ["22:9", 0],
        "images": ["22:9", 1],
        "report": ["22:9", 2],
    }
    prompt_id = host.client.queue(graph)
    seen(host, "all")
    assert not stop(host, prompt_id, "9")
    assert stop(host, prompt_id, "22:9")
    shown = json.loads(ended(host, prompt_id)["outputs"]["probe"]["probe"][0])
    assert shown["images"][0] == 3
    _, *rest = reports = shown["report"]["batch"]
    assert [r["stopped"] for r in reports] == ["interrupt"] * 3
    assert all([row["kind"] for row in r["trace"]] == ["born"] * 3 + ["finish"] for r in rest)


def test_a_reward_that_is_no_number_fails_its_candidates_only(host):
    shown = host.probe(trouble("nan", "some", first=2, count=3))
    rows = shown["report"]["trace"]
    assert [row["id"] for row in rows if "failed" in row] == [2, 4, 6]
    for row in rows:
        assert row.get("failed") == ("reward" if row["reward"] is None else None)
    assert shown["report"]["spent"]["nfe"] == 20
    assert shown["report"]["best"]["reward"] is not None


def test_a_picture_that_is_not_finite_is_not_scored(host):
    report = host.probe(spoiled_decoder("decode", first=1, count=4))["report"]
    failed = [row for row in report["trace"] if row.get("failed") == "decode"]
    assert [row["id"] for row in failed] == [1, 2, 4, 6]
    assert report["spent"]["decodes"] == len(report["trace"])
    assert report["spent"]["rewards"] == len(report["trace"]) - 4


def spoiled_network(name, call_number):
    graph = search(name=name)
    spoiled = node("ProbeTroubledNetwork", model=["loader", 0], call_number=call_number, name=name)
    return with_input(graph | {"spoiled": spoiled}, "guider", "model", ["spoiled", 0])


def test_a_prediction_that_is_not_finite_is_not_decoded(host):
    report = host.probe(spoiled_network("network", 3))["report"]
    assert [row["failed"] for row in report["trace"] if "failed" in row] == ["network"]
    assert report["spent"]["decodes"] == len(report["trace"]) - 1


@pytest.mark.parametrize(
    "make, cause",
    [
        (lambda: trouble("nan", "none", count=1 << 20), "reward was not a finite number"),
        (lambda: spoiled_decoder("no picture"), "decoded image was not finite"),
        (lambda: spoiled_network("no prediction", -1), "network's prediction was not finite"),
    ],
)
def test_all_failed_is_one_sentence_with_the_cause(host, make, cause):
    with saved(host) as files, pytest.raises(ComfyError) as caught:
        host.run(make())
    text = str(caught.value)
    assert text.startswith("All ") and cause in text and "expected" in text and "\n" not in text
    assert not files


def test_a_finish_that_fails_is_left_out(host):
    shown = host.probe(trouble("nan", "one finish", first=19, count=1, top_k=2))
    assert shown["report"]["trace"][-1]["failed"] == "reward"
    assert shown["images"][0] == len(shown["report"]["top"]) == 1


def test_only_the_full_vae_judges_the_result(host):
    """The full VAE is spoiled: the search goes well by the preview VAE, its finish does not."""
    graph = spoiled_decoder("full", preview_vae=["loader", 2])
    with saved(host) as files, pytest.raises(ComfyError) as caught:
        host.run(graph)
    assert "All 2 finished particles failed, expected" in str(caught.value)
    report = json.loads(files[0].read_text("utf-8"))  # finished, and as it was scored
    assert [row.get("failed") for row in report["trace"][-3:]] == [None, "decode", "decode"]
    assert str(files[1]) in str(caught.value)


def test_each_search_of_a_batch_shows_its_own_winner(host):
    """Where a finish fails the image is returned as it was scored."""
    inputs = {"top_k": 2, "finish_steps": 1, "seed": 43}
    whole = with_input(search(name="whole", **inputs), "latent", "batch_size", 2)
    last = host.probe(whole)["report"]["batch"][0]["spent"]["decodes"] - 1
    graph = spoiled_decoder("fewer", first=last, count=1, **inputs)
    graph["save"] = node("PreviewImage", images=["search", 1])
    outputs = host.run(with_input(graph, "latent", "batch_size", 2))
    report = json.loads(outputs["search"]["flow_search_report"][0])
    tops = [len(one["top"]) for one in report["batch"]]
    kinds = {row["id"]: row["kind"] for row in report["batch"][0]["trace"]}
    assert [kinds[top["id"]] for top in report["batch"][0]["top"]].count("finish") < tops[0]
    shown, given = (
        [Image.open(io.BytesIO(host.client.image(entry))).tobytes() for entry in entries]
        for entries in (outputs["search"]["flow_search_images"], outputs["save"]["images"])
    )
    assert shown == [given[0], given[tops[0]]] and len(given) == sum(tops)


def test_a_temp_folder_that_takes_no_file_ends_no_search(host):
    """What the panel shows is not what is searched for."""
    place = host.base / "temp" / "flow_search"
    kept = place.rename(place.with_name("kept")) if place.exists() else None
    place.parent.mkdir(exist_ok=True)
    place.write_text("a file where the folder should be")
    try:
        report = host.probe(search(name="full", seed=44))["report"]
    finally:
        place.unlink()
        if kept:
            kept.rename(place)
    assert report["stopped"] == "budget"
