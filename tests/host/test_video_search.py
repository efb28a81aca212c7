"""Searches of clips through the HTTP API: a video model and a video VAE from files."""

import json

import pytest
from pack.demo.client import ComfyError

from .graphs import node
from .runs import Runs, assert_counted
from .test_reward_nodes import loader

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
