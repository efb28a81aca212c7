"""Video and sound in one latent, LTX-2 and MiniMax H3, by every method that may search it.

test_models.py compares them with the plain sampler, masks included.
"""

import pytest
from pack.samplers.search import SEARCHES

from .helpers.scripts import run_script

WHOLE = [name for name, cls in SEARCHES.items() if cls.whole_trajectories]
SHAPES = {
    "methods": [[1, 128, 3, 4, 4], [1, 8, 4, 16]],
    "whole": [[1, 24, 3, 4, 4], [1, 32, 2, 8]],
}


@pytest.fixture(scope="module")
def told(comfyui):
    if not (comfyui / "comfy" / "ldm" / "minimax").exists():
        pytest.skip("this ComfyUI has no MiniMax H3")
    return run_script("packed.py", comfyui, timeout=900)


@pytest.mark.parametrize(
    ("kind", "name"), [("methods", n) for n in SEARCHES] + [("whole", n) for n in WHOLE]
)
def test_a_method_finds_a_video_with_its_sound(told, kind, name):
    """The network saw the NFE of the report, and a replay gives the same bits of both parts."""
    found = told[kind][name]
    assert found["shapes"] == SHAPES[kind] and found["same"] == [True, True]
    assert found["frames"][0] == 3 and found["particles"] >= 2
    assert 0 < found["nfe"] <= 24


def test_any_sampler_walks_video_and_sound(told):
    assert told["any"]["same"] == [True, True] and told["any"]["particles"] == 24 // 3


def test_a_guider_of_the_kind_that_ltx_has(told):
    """It is tested before it is trusted, and each evaluation of its two conditions is paid."""
    nfe, shapes = told["guided"]
    assert shapes == SHAPES["methods"] and nfe == 80


def test_each_latent_of_a_batch_is_searched_by_itself(told):
    found = told["batch"]
    assert found["reports"] == 2 and max(found["first"]) < 1e-4 and min(found["apart"]) > 0.1


def test_a_mask_keeps_the_sound(told):
    video, sound = told["sound"]
    assert sound == 0.0 and video > 0.1


def test_search_ksampler_walks_whole_trajectories_where_it_must(told):
    assert told["ksampler"] == ["regional", "euler", 0]


@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        ("steps", "The sound of this model has sigmas of its own: got the VP-SDE Flow Sampler"),
        ("branches", "The method svdd cannot branch with this sampler: got euler"),
        ("model", "This model takes latents of one part: got 2, "),
        ("uneven", "have different batch sizes: got [1, 2], expected the same"),
        ("broken", "latent_image is not finite: got 512 values"),
        ("mask", "The noise mask is empty for latent 1 of 1"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_compute(told, why, sentence):
    got, spent = told["refused"][why]
    assert sentence in got and "expected" in got and spent == 0


def test_a_guider_that_skips_the_sound_is_refused(told):
    got, spent = told["refused"]["remembers"]
    assert "remembers earlier calls" in got and 0 < spent <= 24


def test_workers_leave_it_alone(told):
    assert told["workers"] == (
        "The workers were not used: the latent has several parts, such as video and sound."
    )
