"""Searches of clips through the HTTP API: a video model and a video VAE from files."""

import asyncio
import base64
import io
import json

import numpy as np
import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node
from pack.tools.probing.runs import Runs, assert_counted
from PIL import Image, ImageSequence

from .helpers.events import listen
from .helpers.reward_graphs import loader

CLIP, FRAMES = "Wan 2.1 T2V", 9  # a latent of 3 frames
BUDGET = 8


@pytest.fixture(scope="module")
def files(host):
    """The VAE."""
    host.run({"files": node("ProbeTinyExtras")})


@pytest.fixture
def runs(files):
    runs = Runs(CLIP)
    runs.vae = runs.node("VAELoader", vae_name="clip.safetensors")
    runs.bright = runs.node("FlowSearchRewardLoader", reward="brightness", **{"reward.target": 1.0})
    return runs


def three_frames(runs):
    video = loader("video", frames=3, frame_reward=runs.bright)
    return runs.node(video["class_type"], **video["inputs"])


def test_chosen_frames_are_scored_and_all_counted(host, runs):
    """Three frames of each clip are; the score told is that of the clip returned."""
    wide = {"init_particles": 2, "finish_steps": 1, "top_k": 2, "reward": three_frames(runs)}
    found = runs.run("search", budget=BUDGET, **wide)
    runs.graph["scored"] = node(
        "FlowSearchRewardScore", images=[found[0], 1], reward=runs.bright, prompt=""
    )
    runs.graph["frames"] = node(
        "ProbeScores", best_score=["scored", 0], images=["scored", 1], scores=["scored", 2]
    )
    shown = runs.show(host)
    assert_counted(shown["search"], BUDGET)
    report = shown["search"]["report"]
    assert report["spent"]["decodes"] == report["spent"]["rewards"] == len(report["trace"])
    assert report["spent"]["frames"] == FRAMES * len(report["trace"])
    assert shown["search"]["images"] == [2 * FRAMES, 32, 32, 3]
    frames = shown["frames"]["scores"]["scores"]
    for i, top in enumerate(report["top"]):
        asked = [frames[i * FRAMES + t] for t in (0, 4, 8)]
        assert top["reward"] == pytest.approx(sum(asked) / 3, abs=1e-4)
    rewards = [row["reward"] for row in report["trace"]]
    assert max(rewards) - min(rewards) > 1e-4


def test_a_cheaper_decoder_scores_and_the_full_one_gives_the_clip(host, runs):
    full, runs.vae = runs.vae, runs.node("ProbeTinyVAE")
    searched = {"budget": BUDGET, "finish_steps": 1, "reward": three_frames(runs)}
    runs.run("search", preview_vae=runs.vae, vae=full, **searched)
    shown = runs.show(host)["search"]
    spent = shown["report"]["spent"]
    assert shown["images"] == [FRAMES, 32, 32, 3]
    assert spent["frames"] == 3 * (spent["decodes"] - 1) + FRAMES


def test_what_was_found_before_an_error_is_saved_frame_by_frame(host, runs):
    runs.graph["trouble"] = node(
        "ProbeTroubledReward",
        reward=three_frames(runs),
        kind="raise",
        first=5,
        count=1,
        name="clip",
    )
    runs.run("search", budget=BUDGET, init_particles=2, reward=["trouble", 0])
    folder = host.base / "output" / "flow_search"
    before = set(folder.glob("*"))
    with pytest.raises(ComfyError, match="the reward broke"):
        runs.show(host)
    saved = sorted(set(folder.glob("*")) - before)
    assert [file.suffix for file in saved] == [".json"] + [".png"] * FRAMES
    report = json.loads(saved[0].read_text("utf-8"))
    assert report["spent"]["frames"] == FRAMES * report["spent"]["decodes"]


def frames_of(data):
    frames = ImageSequence.Iterator(Image.open(io.BytesIO(data)))
    return [np.asarray(frame.convert("RGB"), dtype=float) for frame in frames]


def test_the_panel_gets_clips_that_play(host, runs):
    """And, small, the middle frame: the first may be what an image-to-video search was given."""
    (search, _) = runs.run("search", budget=BUDGET, init_particles=2, top_k=2, finish_steps=1)
    host.run({"file": node("ProbeTinyCheckpoint", key=CLIP)})
    events, _ = asyncio.run(listen(host, "clips", runs.graph))
    pictures = [picture for event in events for picture in event.get("pictures", [])]
    assert len(pictures) >= 2
    for picture in pictures:
        clip = frames_of(host.client.image(picture["file"]))
        assert len(clip) == FRAMES and len(np.unique(np.stack(clip), axis=0)) == FRAMES
        (small,) = frames_of(base64.b64decode(picture["jpeg"]))
        differ = [np.abs(frame - small).mean() for frame in clip]
        assert differ.index(min(differ)) == FRAMES // 2
    entry = host.client.get("/history?max_items=1").popitem()[1]
    (best,) = entry["outputs"][search]["flow_search_images"]
    assert len(frames_of(host.client.image(best))) == FRAMES
