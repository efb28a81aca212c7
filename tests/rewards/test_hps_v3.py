"""HPSv3 against the authors' package and transformers' own Qwen2-VL, on tiny random weights."""

import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.rewards import Files, Scorer
from pack.rewards.files.weights import peek
from pack.rewards.preference.hps_v3 import AREA, HpsV3, is_hps_v3
from pack.rewards.preference.hps_v3_prompt import AFTER, instruction
from pack.rewards.question.qwen_pixels import fit, qwen_patches
from pack.rewards.question.qwen_trunk import BEFORE
from PIL import Image

from .tiny_hps_v3 import PROMPTS, SIZES, build, picture, state

transformers = pytest.importorskip("transformers")
NEW = "mm_token_type_ids" in inspect.signature(transformers.Qwen2VLModel.forward).parameters


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("hps")
    build(path)
    return path


def load(file, tokenizer, **options):
    files = Files(tokenizers={"qwen": tokenizer}, **options)
    return HpsV3(checkpoint=str(file)).load(files)


@pytest.fixture(scope="module")
def scorer(tiny):
    return load(tiny / "HPSv3.safetensors", tiny / "qwen")


def pixels(height, width):
    return torch.tensor(np.asarray(picture(height, width))).float()[None] / 255


def pictures(count):
    """Small ones, of which one needs no resizing to the area."""
    return torch.cat([pixels(448, 448).roll(i * 100, 2) * (1 - 0.2 * i) for i in range(count)])


def test_equals_the_authors_package(scorer):
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    assert not any(weights.requires_grad for weights in scorer.module.parameters())
    fixture = Path(__file__).parent / "fixtures" / "hps_v3.json"
    wanted = torch.tensor(json.loads(fixture.read_text("utf-8"))["rewards"])
    got = [scorer.score(pixels(*s), [p])[0] for s, p in zip(SIZES, PROMPTS, strict=True)]
    # The first picture is of the area already. Theirs rounds the others to 8 bits after resizing.
    torch.testing.assert_close(got[0], wanted[0, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.stack(got), wanted[:, 0], rtol=0, atol=0.1)
    assert wanted[:, 0].std() > 1 and (wanted[:, 0] - wanted[:, 1]).abs().min() > 0.2


@pytest.mark.skipif(not NEW, reason="its Qwen2VLModel is the decoder alone, or another one's")
@pytest.mark.parametrize("places", [1, 3])
def test_equals_qwen2_vl_with_places_in_one_dimension(tiny, scorer, places):
    tokenizer = scorer.tokenizer
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}_pad|>") for name in ("image", "video")}
    words = scorer.module.model.get_input_embeddings().num_embeddings
    text = {
        "vocab_size": words, "hidden_size": 256, "intermediate_size": 320, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6,
                            "mrope_section": [16, 24, 24]},
    }  # fmt: skip
    config = transformers.Qwen2VLConfig(
        text_config=text, image_token_id=ids["image"], video_token_id=ids["video"],
        vision_config={"depth": 2, "embed_dim": 160, "hidden_size": 256, "num_heads": 2},
    )  # fmt: skip
    weights = {
        key.replace("model.", "language_model.") if key.startswith("model.") else key: value
        for key, value in state(words).items()
    }
    trunk = transformers.Qwen2VLModel(config).eval()
    report = trunk.load_state_dict(weights, strict=False)
    assert not report.missing_keys
    images = transformers.Qwen2VLImageProcessor()
    seen = images(picture(448, 448), return_tensors="pt")
    chat = BEFORE + "<|image_pad|>" * 256 + instruction(PROMPTS[0]) + "\N{NULL}" + AFTER
    found = tokenizer(chat, return_tensors="pt")
    at = (found["input_ids"][0] == tokenizer("\N{NULL}")["input_ids"][0]).nonzero().item()
    found["input_ids"][0, at] = scorer.reward
    length = found["input_ids"].shape[1]
    if places == 1:
        found["position_ids"] = torch.arange(length).expand(3, 1, -1)
    kinds = (found["input_ids"] == ids["image"]).int()
    with torch.no_grad():
        hidden = trunk(**found, **seen, mm_token_type_ids=kinds).last_hidden_state[0, at]
        wanted = scorer.module.rm_head(hidden)[0]
        got = scorer.score(pixels(448, 448), PROMPTS[:1])[0]
    assert torch.isclose(got, wanted, rtol=1e-4, atol=1e-4) == (places == 1)


def test_reward_token_is_qwen2_vls_next(scorer):
    """The host's tokenizer is a later Qwen's: an added token would get a later id."""
    assert len(scorer.tokenizer) > scorer.reward
    assert scorer.reward == scorer.module.model.get_input_embeddings().num_embeddings - 1
    before, between, after = scorer.texts(PROMPTS[0], scorer._text)
    assert after[0] == scorer.reward and not (between == scorer.reward).any()
    assert scorer.tokenizer.decode(torch.cat([before, between])) == BEFORE + instruction(PROMPTS[0])


@pytest.mark.parametrize("size", [(448, 448), (1024, 1024), (300, 520), (64, 90), (720, 1280)])
def test_patches_equal_the_processors(size):
    image = picture(*size)
    got, grid = qwen_patches(pixels(*size)[0], AREA)
    resized = image.resize((grid[2] * 14, grid[1] * 14), Image.BICUBIC)  # as their script does
    wanted = transformers.Qwen2VLImageProcessor()(resized, return_tensors="pt")
    assert list(grid) == wanted["image_grid_thw"][0].tolist()
    assert got.shape == wanted["pixel_values"].shape
    levels = (got - wanted["pixel_values"]).abs() * 255 * 0.27
    assert levels.mean() < 0.5 and levels.max() < 3


def test_edges_do_not_overshoot():
    image = torch.zeros(64, 90, 3)
    image[20:40, 30:60] = 1.0
    got, _ = qwen_patches(image, AREA)
    black, white = (qwen_patches(torch.full((448, 448, 3), level), AREA)[0] for level in (0.0, 1.0))
    assert got.min() == black.min() and got.max() == white.max()


def test_fit_equals_the_processors():
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    rng = np.random.default_rng(0)
    for height, width in rng.integers(28, 2000, (300, 2)).tolist():
        wanted = smart_resize(height, width, 28, min_pixels=AREA, max_pixels=AREA)
        assert fit(height, width, AREA) == tuple(wanted)
    with pytest.raises(ValueError, match="expected sides within 200 times"):
        fit(2001, 10, AREA)


def test_check(scorer):
    scorer.check("a cat")
    with pytest.raises(ValueError, match="needs a prompt"):
        scorer.check(" ")
    for token in ("<|image_pad|>", "<tool_call>"):
        with pytest.raises(ValueError, match="as a command: got '.*', expected plain text"):
            scorer.check(f"a {token} cat")


def test_the_trunk_is_bfloat16_where_it_can(tiny, scorer):
    file = tiny / "HPSv3.safetensors"
    half = load(file, tiny / "qwen", supports=lambda dtype: dtype == torch.bfloat16)
    held = {key: weights.dtype for key, weights in half.module.named_parameters()}
    assert {dtype for key, dtype in held.items() if key.startswith("rm_head")} == {torch.float32}
    assert {d for k, d in held.items() if not k.startswith("rm_head")} == {torch.bfloat16}
    scores, wanted = (s.score(pictures(1), PROMPTS[:1]) for s in (half, scorer))
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, wanted, rtol=0.1, atol=0.2)


def test_every_tensor_is_the_files(tiny, scorer):
    from safetensors.torch import load_file

    held, seen = load_file(tiny / "HPSv3.safetensors"), scorer.module.state_dict()
    del held["lm_head.weight"]
    assert held.keys() == seen.keys()
    assert all(torch.equal(held[key], seen[key]) for key in held)


def test_wrong_files_say_what_they_are(tiny, tmp_path):
    from safetensors.torch import load_file, save_file

    def refusal(file):
        with pytest.raises(ValueError) as error:
            load(file, tiny / "qwen")
        told = str(error.value)
        assert "\n" not in told and ": expected HPSv3 (HPSv3.safetensors)." in told
        return told

    held, wrong = load_file(tiny / "HPSv3.safetensors"), tmp_path / "wrong.safetensors"
    assert is_hps_v3(peek(tiny / "HPSv3.safetensors"))
    beside = tmp_path / "beside"  # a config.json that tells nothing of it
    beside.mkdir()
    shutil.copy(tiny / "HPSv3.safetensors", beside)
    (beside / "config.json").write_text("{}")
    assert is_hps_v3(peek(beside))
    assert "does not exist" in refusal(tmp_path / "none.safetensors")
    assert "0 weights files" in refusal(tmp_path)
    save_file({"visual.conv1.weight": torch.zeros(2)}, wrong)
    assert not is_hps_v3(peek(wrong)) and "CLIP in open_clip layout" in refusal(wrong)
    for lost in ("model.norm.weight", "rm_head.3.bias", "visual.blocks.0.mlp.fc1.weight"):
        save_file({key: value for key, value in held.items() if key != lost}, wrong)
        short = lost.removeprefix("model.")
        assert "lacks 1 tensors" in refusal(wrong) and short in refusal(wrong)
    small = held["model.embed_tokens.weight"][:-1].clone()
    save_file(held | {"model.embed_tokens.weight": small}, wrong)
    assert f"has {len(small)} tokens, too few for <|Reward|>" in refusal(wrong)
    with pytest.raises(ValueError, match="got none, expected the tokenizer of Qwen"):
        HpsV3(checkpoint=str(tiny / "HPSv3.safetensors")).load()
