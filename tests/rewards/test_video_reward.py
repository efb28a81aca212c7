"""VideoReward against transformers' Qwen2-VL, on tiny random weights in the published layout."""

import inspect
import json
import shutil

import pytest
import torch
from pack.rewards import Files
from pack.rewards.clips.video_reward import LEAST_AREA, TOKENS, VideoReward, sampled
from pack.rewards.clips.video_reward_model import SOURCE, VideoConfig, is_video_reward, read_file
from pack.rewards.clips.video_reward_prompt import questions
from pack.rewards.files.weights import peek
from pack.rewards.question.qwen_pixels import clip_patches
from pack.rewards.question.qwen_trunk import BEFORE

from . import tiny_trunks
from .tiny_trunks import ALPHA, NORMS, RANK, WIDE, build_video, clip, video_state
from .weights_files import refusal

transformers = pytest.importorskip("transformers")
NEW = "mm_token_type_ids" in inspect.signature(transformers.Qwen2VLModel.forward).parameters
NORMS_OF = ("VQ", "MQ", "TA")
PROMPT = "two blue dogs, running"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("video")
    build_video(path)
    return path


def load(tiny, file=None, **settings):
    file = file or tiny / "checkpoint-11352" / "model.pth"
    return VideoReward(checkpoint=str(file), **settings).load(
        Files(tokenizers={"qwen": tiny / "qwen"})
    )


@pytest.fixture(scope="module")
def scorer(tiny):
    return load(tiny)


def video(frames, **size):
    return clip(frames, **size).float()[None] / 255


def their_trunk(words, ids):
    """transformers' Qwen2-VL with the updates as hooks beside the weights, not merged."""
    text = {
        "vocab_size": words, "hidden_size": WIDE, "intermediate_size": 320, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6,
                            "mrope_section": [16, 24, 24]},
    }  # fmt: skip
    config = transformers.Qwen2VLConfig(
        text_config=text, image_token_id=ids["image"], video_token_id=ids["video"],
        vision_config={"depth": 2, "embed_dim": 160, "hidden_size": WIDE, "num_heads": 2},
    )  # fmt: skip
    trunk = transformers.Qwen2VLModel(config).eval()
    state = {k.removeprefix("base_model.model."): v for k, v in video_state(words).items()}
    plain = {
        k.replace(".base_layer", "").replace("model.", "language_model.", k.startswith("model.")): v
        for k, v in state.items()
        if "lora_" not in k
    }
    assert not trunk.load_state_dict(plain, strict=False).missing_keys

    def update(first, second):
        return lambda layer, inputs, output: (
            output + ALPHA / RANK * (inputs[0] @ first.T @ second.T)
        )

    for key, first in state.items():
        if key.endswith(".lora_A.default.weight"):
            name = key.removesuffix(".lora_A.default.weight")
            hook = update(first, state[f"{name}.lora_B.default.weight"])
            trunk.get_submodule("language_" + name).register_forward_hook(hook)
    return trunk, state["rm_head.weight"]


@pytest.mark.skipif(not NEW, reason="its Qwen2VLModel is the decoder alone, or another one's")
def test_equals_qwen2_vl_with_the_updates_beside_the_weights(tiny, scorer):
    words, tokenizer = scorer.module.model.get_input_embeddings().num_embeddings, scorer.tokenizer
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}_pad|>") for name in ("image", "video")}
    trunk, head = their_trunk(words, ids)
    frames = clip(20, 308, 420)  # of a size that no resizing changes
    chosen = frames[sampled(20, 10.0, 2.0)]
    seen = transformers.Qwen2VLVideoProcessor()(
        [chosen.permute(0, 3, 1, 2)], return_tensors="pt", do_sample_frames=False, do_resize=False
    )
    count = int(seen["video_grid_thw"].prod()) // 4
    chat = [BEFORE + "<|video_pad|>" * count, *questions(PROMPT)]
    found = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in chat]
    places, row = [], found[0]
    for i, part in enumerate(found[1:]):
        row = [*row, *part, ids["video"] + 1 + i]
        places.append(len(row) - 1)
    row = torch.tensor([row])
    with torch.no_grad():
        hidden = trunk(
            input_ids=row, attention_mask=torch.ones_like(row), **seen,
            position_ids=torch.arange(row.shape[1]).expand(3, 1, -1),
            mm_token_type_ids=(row == ids["video"]).int() * 2,
        ).last_hidden_state[0, places]  # fmt: skip
    raw = (hidden @ head.T)[:, 0]
    wanted = [(raw[i] - NORMS[f"{k}_mean"]) / NORMS[f"{k}_std"] for i, k in enumerate(NORMS_OF)]
    names = ("overall", "visual_quality", "motion_quality", "text_alignment")
    for name, value in zip(names, [sum(wanted), *wanted], strict=True):
        ours = type(scorer)(**{**vars(scorer), "score_of": name, "fps": 10.0})
        got = ours.score(frames.float()[None] / 255, [PROMPT])[0]
        torch.testing.assert_close(got, value, rtol=1e-4, atol=1e-4)


def test_reward_tokens_are_qwen2_vls_next(scorer):
    words = scorer.module.model.get_input_embeddings().num_embeddings
    assert scorer.rewards == [words - 3, words - 2, words - 1]
    parts = scorer.texts(PROMPT, scorer._text)
    assert [part[-1].item() for part in parts[1:]] == scorer.rewards
    text = "".join(
        scorer.tokenizer.decode(part[:-1]) + token
        for part, token in zip(parts[1:], TOKENS, strict=True)
    )
    assert (
        text.startswith("<|vision_end|>\nYou are tasked") and f"Textual prompt - {PROMPT}" in text
    )
    assert text.endswith("Please provide the ratings of Text Alignment: <|TA_reward|>")


def test_a_head_of_three_rows_has_one_for_each_token(tiny, scorer, tmp_path):
    """The authors' code trains such a head as well: the first row is VQ's."""
    words = scorer.module.model.get_input_embeddings().num_embeddings
    state = video_state(words)
    row = state["base_model.model.rm_head.weight"]
    rows = torch.cat([row, 2 * row, 3 * row])
    torch.save(state | {"base_model.model.rm_head.weight": rows}, tmp_path / "model.pth")
    shutil.copy(tiny / "model_config.json", tmp_path)
    both = [s._scores(video(6)[0], PROMPT) for s in (scorer, load(tiny, tmp_path / "model.pth"))]
    means, deviations = (
        torch.tensor([NORMS[f"{k}_{of}"] for k in NORMS_OF]) for of in ("mean", "std")
    )
    one, three = (scores * deviations + means for scores in both)
    torch.testing.assert_close(three, one * torch.tensor([1.0, 2.0, 3.0]), rtol=1e-4, atol=1e-4)


def test_the_authors_frames():
    """Two a second, at least 4, an even number, evenly spaced."""
    assert sampled(81, 16.0, 2.0) == [round(i * 80 / 9 + 1e-9) for i in range(10)]
    assert sampled(129, 24.0, 2.0)[-1] == 128 and len(sampled(129, 24.0, 2.0)) == 10
    assert sampled(9, 16.0, 2.0) == [0, 3, 5, 8]
    assert sampled(3, 16.0, 2.0) == [0, 2] and sampled(1, 16.0, 2.0) == [0, 0]
    assert len(sampled(2000, 2.0, 2.0)) == 768


@pytest.mark.parametrize("size", [(64, 90), (720, 1280), (448, 448)])
def test_patches_equal_the_processors(size):
    frames = clip(4, *size)
    got, grid = clip_patches(frames.float() / 255, LEAST_AREA, VideoConfig().area)
    assert LEAST_AREA <= grid[1] * grid[2] * 196 <= VideoConfig().area
    resized = torch.nn.functional.interpolate(
        frames.permute(0, 3, 1, 2).float(), (grid[1] * 14, grid[2] * 14), mode="bicubic",
        antialias=True,
    ).clamp(0, 255).round().byte()  # fmt: skip
    if not NEW:
        pytest.skip("this transformers has no processor of videos")
    wanted = transformers.Qwen2VLVideoProcessor()(
        [resized], return_tensors="pt", do_sample_frames=False, do_resize=False
    )
    assert list(grid) == wanted["video_grid_thw"][0].tolist()
    levels = (got - wanted["pixel_values_videos"]).abs() * 255 * 0.27
    assert levels.mean() < 0.5 and levels.max() < 3


def test_the_config_is_read_from_the_folder_above_or_its_own(tiny, tmp_path):
    file = shutil.copy(tiny / "checkpoint-11352" / "model.pth", tmp_path)
    config = read_file(tiny / "checkpoint-11352" / "model.pth").config
    assert (config.scale, config.means) == (ALPHA / RANK, (0.5, -0.25, 1.0))
    assert read_file(tmp_path / "model.pth").config == VideoConfig()  # as published
    assert VideoConfig().scale == 2.0 and VideoConfig().deviations == (2.2476, 1.3811, 2.5121)
    changed = json.loads(json.dumps(tiny_trunks.VIDEO_CONFIG))
    changed["peft_lora_config"]["use_rslora"] = True
    (tmp_path / "model_config.json").write_text(json.dumps(changed))
    assert read_file(tmp_path / "model.pth").config.scale == ALPHA / RANK**0.5
    for part, name, value in (
        ("inference_config", "VQ_std", 0.0), ("data_config", "max_frame_pixels", 2**40),
        ("inference_config", "TA_mean", None), ("data_config", "fps", "two"),
    ):  # fmt: skip
        broken = json.loads(json.dumps(changed))
        broken[part][name] = value
        (tmp_path / "model_config.json").write_text(json.dumps(broken))
        assert f": expected {SOURCE.what}" in refusal(load, tiny, file)


def test_wrong_files_say_what_they_are(tiny, tmp_path):
    file, wrong = tiny / "checkpoint-11352" / "model.pth", tmp_path / "wrong.pth"
    state = torch.load(file, weights_only=True)
    assert is_video_reward(peek(file))
    assert "has no config.json of a model and 0 weights files" in refusal(load, tiny, tmp_path)
    assert "does not exist" in refusal(load, tiny, tmp_path / "none.pth")
    torch.save({"visual.conv1.weight": torch.zeros(2)}, wrong)
    assert not is_video_reward(peek(wrong))
    assert "CLIP in open_clip layout" in refusal(load, tiny, wrong)
    for lost in ("model.norm.weight", "visual.blocks.0.mlp.fc1.weight"):
        torch.save({k: v for k, v in state.items() if not k.endswith(lost)}, wrong)
        assert "lacks 1 tensors" in refusal(load, tiny, wrong)
    torch.save(state | {"base_model.model.rm_head.weight": torch.zeros(2, WIDE)}, wrong)
    assert "has a head of shape (2, 256)" in refusal(load, tiny, wrong)
    key = "base_model.model.model.embed_tokens.weight"
    torch.save(state | {key: state[key][:-1].clone()}, wrong)
    assert "too few for <|TA_reward|>" in refusal(load, tiny, wrong)
    with pytest.raises(ValueError, match="got none, expected the tokenizer of Qwen"):
        VideoReward(checkpoint=str(file)).load()


def test_check(scorer):
    scorer.check("a cat")
    for prompt in (" ", "a <|video_pad|> cat"):
        with pytest.raises(ValueError):
            scorer.check(prompt)
