"""Field 12: prompts are read as open_clip and HPS v2 read them.

What open_clip makes of them is in fixtures/prompt_text.json.
"""

import json
import os
import time
from pathlib import Path

import pytest
from pack.rewards import REWARDS, Files
from pack.rewards.likeness.clip_checkpoint import CleaningTokenizer, load_tokenizer
from pack.rewards.likeness.prompt_text import cleaned

from . import test_clip, test_hps_v2, test_mps
from .tiny_clip import open_clip_state, renamed, save

CASES = json.loads((Path(__file__).parent / "fixtures" / "prompt_text.json").read_text("utf-8"))
FAMILIES = ("clip_score", "hps_v2")


@pytest.fixture(scope="module")
def tokenizer():
    """CLIP's own, which the host brings."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH is not set: run `python dev.py test`")
    return load_tokenizer(Path(os.environ["COMFYUI_PATH"]) / "comfy" / "sd1_tokenizer", None)


@pytest.mark.parametrize(("text", "clean", "tokens"), CASES, ids=lambda value: ascii(value)[:40])
def test_a_prompt_is_cleaned_as_open_clip_does(text, clean, tokens, tokenizer):
    assert cleaned(text) == clean
    assert CleaningTokenizer(tokenizer)(text)["input_ids"] == [49406, *tokens, 49407]


def test_most_of_the_cases_would_be_read_otherwise(tokenizer):
    """Half a character is none that the tokenizer takes at all."""
    whole = [case for case in CASES if not any("\ud800" <= c < "\ue000" for c in case[0])]
    other = [t for t, _, ids in whole if tokenizer(t)["input_ids"][1:-1] != ids]
    assert len(other) > len(whole) / 2


def load(family, path):
    return REWARDS[family](checkpoint=str(path)).load(Files())


@pytest.mark.parametrize("family", FAMILIES)
def test_models_in_the_layout_of_open_clip_clean(family, tmp_path):
    file = save(open_clip_state(1024), tmp_path / "open_clip.safetensors")
    scorer = load(family, file)
    assert (
        scorer.tokenizer("a dog’s &amp; B")["input_ids"]
        == (scorer.tokenizer("a dog's & b")["input_ids"])
    )
    plain = load_tokenizer(file, None)
    assert scorer.tokenizer("dog’s")["input_ids"] == plain("dog's")["input_ids"]
    assert plain("dog’s")["input_ids"] != plain("dog's")["input_ids"]


def test_hps_cleans_in_any_layout(tmp_path):
    for layout in ("transformers", "folder"):
        (tmp_path / layout).mkdir()
        scorer = load("hps_v2", test_hps_v2.build(tmp_path / layout, layout))
        assert isinstance(scorer.tokenizer, CleaningTokenizer)


def test_models_in_the_layout_of_transformers_read_as_transformers_does(tmp_path):
    """PickScore and MPS were made with its tokenizer, which cleans nothing."""
    for name in ("file", "folder", "mps"):
        (tmp_path / name).mkdir()
    file = save(renamed(open_clip_state()), tmp_path / "file" / "a.safetensors")
    test_clip.build(tmp_path / "folder")
    test_mps.build(tmp_path / "mps")
    mps = tmp_path / "mps" / "MPS_overall_checkpoint_diffsynth.safetensors"
    loads = (("clip_score", file), ("clip_score", tmp_path / "folder"), ("mps", mps))
    for family, path in loads:
        assert type(load(family, path).tokenizer).__name__.startswith("CLIPTokenizer"), family


@pytest.mark.parametrize("prompt", ["", "  ", "\u200b\ufeff\x07"[1:], "&nbsp;", "\x1b[31m"])
def test_a_prompt_of_which_nothing_is_left_is_refused(prompt, tmp_path):
    scorer = load("hps_v2", save(open_clip_state(1024), tmp_path / "a.safetensors"))
    with pytest.raises(ValueError, match="needs a prompt: got an empty prompt, expected text to"):
        scorer.check(prompt)


def test_half_a_character_is_refused_in_one_sentence(tmp_path):
    test_clip.build(tmp_path)
    with pytest.raises(ValueError, match=r"half of a character: got a lone surrogate \(U\+D83D\)"):
        load("clip_score", tmp_path).check("a dog \ud83d")


@pytest.mark.parametrize("text", ["&" + "amp;" * 3000, "â€™" * 4000, " " * 12000, "Ã " * 6000,
                                  "e" + "\u0301\u0323" * 24000])  # fmt: skip
def test_a_long_prompt_is_cleaned_in_time(text):
    began = time.monotonic()
    cleaned(text)
    assert time.monotonic() - began < 3.0
