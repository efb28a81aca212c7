"""VQAScore by a model that the host itself loads, against transformers' own of the same weights."""

import pytest

from .helpers.scripts import run_script


@pytest.fixture(scope="module")
def told(comfyui):
    """What scripts/host_vlm.py reports."""
    if not (comfyui / "comfy" / "text_encoders" / "qwen3vl.py").exists():
        pytest.skip("this ComfyUI has no model that generates text from a picture")
    return run_script("host_vlm.py", comfyui)


def test_the_hosts_qwen3_vl_scores_as_transformers_own(told):
    assert told["margins"] == pytest.approx(told["oracle"], abs=1e-4)
    assert abs(told["margins"][0] - told["margins"][1]) > 0.1
    assert told["alone"] == pytest.approx(told["margins"], abs=1e-5)
    assert told["nan"] == [True, False]


def test_the_model_is_left_as_it_was(told):
    assert told["text"] and not told["left"]


def test_what_cannot_see_or_speak_is_refused(told):
    blind, silent, none = told["refused"]
    assert "takes no images" in blind
    assert "generates no text" in silent
    assert "No CLIP is connected" in none
