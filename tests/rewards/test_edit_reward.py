"""EditReward against transformers' Qwen2.5-VL, on tiny random weights in the published layout."""

import inspect
import json
import shutil

import pytest
import torch
from pack.rewards import Files
from pack.rewards.files.weights import peek
from pack.rewards.preference.edit_reward import EditReward
from pack.rewards.preference.edit_reward_model import SOURCE, is_edit_reward
from pack.rewards.preference.edit_reward_prompt import instructions
from pack.rewards.question.vlm import VlmScore
from pack.rewards.question.vlm_checkpoint import is_vlm

from .test_hps_v3 import pixels
from .tiny_hps_v3 import picture
from .tiny_trunks import EDIT_TEMPLATE, build_edit, edit_config
from .weights_files import refusal

transformers = pytest.importorskip("transformers")
NEW = "mm_token_type_ids" in inspect.signature(transformers.Qwen2VLModel.forward).parameters
PROMPT = "make the dog red"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("edit")
    build_edit(path)
    return path


def load(path, source=None):
    source = pixels(300, 520) if source is None else source
    return EditReward(checkpoint=str(path), source=source).load(Files())


@pytest.fixture(scope="module")
def scorer(tiny):
    return load(tiny, pixels(448, 448).flip(2))


def their_head(state, number, hidden):
    for i in (0, 3, 5):
        key = f"rm_heads.head_{number}.{i}"
        hidden = hidden @ state[f"{key}.weight"].T + state[f"{key}.bias"]
        hidden = hidden if i == 5 else hidden.relu()
    return hidden[0]


@pytest.mark.skipif(not NEW, reason="its Qwen2_5_VLModel is the decoder alone, or another one's")
@pytest.mark.parametrize("places", [1, 3])
def test_equals_qwen2_5_vl_with_places_in_one_dimension(tiny, scorer, places):
    from safetensors.torch import load_file

    state = load_file(tiny / "model.safetensors")
    tokens = transformers.AutoTokenizer.from_pretrained(tiny)
    tokens.add_special_tokens({"additional_special_tokens": ["<|Reward|>"]})
    reward = tokens.convert_tokens_to_ids("<|Reward|>")
    processor = transformers.Qwen2_5_VLProcessor(
        transformers.Qwen2VLImageProcessor(), tokens, transformers.Qwen2VLVideoProcessor(),
        chat_template=EDIT_TEMPLATE,
    )  # fmt: skip
    ids = {k: tokens.convert_tokens_to_ids(f"<|{k}_pad|>") for k in ("image", "video")}
    config = transformers.Qwen2_5_VLConfig.from_dict(
        edit_config(len(tokens)) | {f"{k}_token_id": v for k, v in ids.items()}
    )
    trunk = transformers.Qwen2_5_VLModel(config).eval()
    weights = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
    trunk.load_state_dict(weights)
    image = picture(448, 448)
    scores = []
    for number, text in enumerate(instructions(PROMPT)):
        text += "<|Reward|>\n\nEND\n"
        content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": text}]
        chat = processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        images = [image.transpose(0), image]  # mirrored, as the scorer's source is
        found = processor(text=[chat], images=images, return_tensors="pt")
        length = found["input_ids"].shape[1]
        if places == 1:
            found["position_ids"] = torch.arange(length).expand(3, 1, -1)
        at = (found["input_ids"][0] == reward).nonzero().item()
        with torch.no_grad():
            hidden = trunk(**found).last_hidden_state[0, at]
        scores.append(their_head(state, number, hidden))
    wanted = torch.stack(scores).mean()
    got = scorer.score(pixels(448, 448), [PROMPT])[0]
    assert torch.isclose(got, wanted, rtol=1e-4, atol=1e-4) == (places == 1)
    assert (scores[0] - scores[1]).abs() > 1e-2


def test_the_source_matters(tiny, scorer):
    other = load(tiny, pixels(300, 520))
    with torch.inference_mode():
        scores = [each.score(pixels(64, 90), [PROMPT]).item() for each in (scorer, other)]
    assert abs(scores[0] - scores[1]) > 1e-3


def test_the_older_layout_is_the_same(tiny, scorer, tmp_path):
    """Also as the authors' model.pth, and with <|Reward|> in the tokenizer."""
    from safetensors.torch import load_file

    for file in tiny.iterdir():
        if file.name != "model.safetensors":
            shutil.copy(file, tmp_path)
    older = {
        k.replace("model.visual.", "visual.").replace("model.language_model.", "model."): v
        for k, v in load_file(tiny / "model.safetensors").items()
    }
    torch.save(older, tmp_path / "model.pth")
    again = load(tmp_path, pixels(448, 448).flip(2))
    assert is_edit_reward(peek(tmp_path)) and again.reward == scorer.reward
    ours, theirs = (each.module.state_dict() for each in (scorer, again))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_reward_token_is_the_tokenizers_next(scorer):
    words = scorer.module.model.get_input_embeddings().num_embeddings
    assert scorer.reward == words - 1 == len(scorer.chat.tokenizer)
    before, between, *asked = scorer.texts(PROMPT, scorer._text)
    decode = scorer.chat.tokenizer.decode
    assert decode(before).startswith("<|im_start|>system\nYou judge.")
    assert decode(between) == "<|vision_end|><|vision_start|>"
    for ids, text in zip(asked, instructions(PROMPT), strict=True):
        assert decode(ids[:-1]) == f"<|vision_end|>{text}" and ids[-1] == scorer.reward
        assert f"Text instruction - {PROMPT}\n" in text


def test_no_other_family_lists_it(tiny):
    """As a judge by its answers it would be another model than its authors made."""
    assert is_edit_reward(peek(tiny)) and not is_vlm(peek(tiny))
    said = refusal(VlmScore(checkpoint=str(tiny)).load, Files())
    assert "has a reward head, and does not answer questions" in said


def test_wrong_folders_say_what_they_are(tiny, tmp_path):
    from safetensors.torch import load_file, save_file

    held = load_file(tiny / "model.safetensors")
    config = json.loads((tiny / "config.json").read_text())

    def wrong(**changes):
        path = tmp_path / "wrong"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(tiny, path)
        sight = config["vision_config"] | changes.pop("vision", {})
        (path / "config.json").write_text(json.dumps(config | {"vision_config": sight} | changes))
        return path

    def said(path):
        message = refusal(load, path)
        assert f": expected {SOURCE.what}" in message
        return message

    assert "looks like EditReward without a config.json" in said(tiny / "model.safetensors")
    assert "does not exist" in said(tmp_path / "none")
    assert 'a config.json of type "qwen2_vl"' in said(wrong(model_type="qwen2_vl"))
    assert "numbers out of range" in said(wrong(rope_theta=-1.0))
    assert "numbers out of range" in said(wrong(vision={"window_size": 1.5}))
    assert "heads of another width" in said(wrong(num_attention_heads=4))
    assert "cannot be read" in said(wrong(vision_config=3))
    path = wrong()
    (path / "chat_template.json").unlink()
    assert "has no chat template" in said(path)
    for lost in ("rm_heads.head_1.3.bias", "model.visual.blocks.0.mlp.gate_proj.weight"):
        save_file({k: v for k, v in held.items() if k != lost}, path / "model.safetensors")
        assert "lacks 1 tensors" in said(path)
    path = wrong()
    key = "model.language_model.embed_tokens.weight"
    save_file(held | {key: held[key][:-1].clone()}, path / "model.safetensors")
    assert "too few for <|Reward|>" in said(path)
    path = wrong()
    (path / "model.safetensors").unlink()
    assert "lacks model.safetensors" in said(path)
    with pytest.raises(ValueError, match="`source` is not connected"):
        EditReward(checkpoint=str(tiny)).load()


def test_check(scorer):
    scorer.check("make it red")
    for prompt in (" ", "a <|image_pad|> cat"):
        with pytest.raises(ValueError):
            scorer.check(prompt)
