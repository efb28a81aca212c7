"""CLIP-FlanT5 in the layouts it is published in, and what is not one, on tiny random weights."""

import json

import pytest
import torch
from pack.rewards.files.weights import peek
from pack.rewards.question.clip_flant5_checkpoint import is_clip_flant5, t5_config

from . import tiny_t5
from .test_clip_flant5 import PROMPTS, images, load

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def scorer(clip_flant5):
    return load(clip_flant5)


def variants(path, layout):
    """The checkpoint of `tiny_t5` at ``path`` in another ``layout`` -> what to load."""
    from safetensors.torch import save_file

    state = tiny_t5.clip_flant5_state()
    shared = ("shared.weight", "encoder.embed_tokens.weight", "embed_tokens.weight")
    kept = {k: v for k, v in state.items() if k not in shared}  # of equal ones the first by name
    if layout == "one pickle":
        tiny_t5.clip_flant5(path, shards=1)
    elif layout == "safetensors":
        save_file({k: v.clone() for k, v in state.items()}, path / "model.safetensors")
        (path / "config.json").write_text(json.dumps(tiny_t5.CLIP_T5))
    elif layout == "shards":
        names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        for i, name in enumerate(names):
            save_file(dict(list(kept.items())[i::2]), path / name)
        index = {k: names[i % 2] for i, k in enumerate(kept)}
        (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
        (path / "config.json").write_text(json.dumps(tiny_t5.CLIP_T5))
        save_file({"stray.weight": torch.zeros(1)}, path / "adapter.safetensors")
    elif layout == "file":
        save_file(kept, path / "any.safetensors")
        return path / "any.safetensors"
    else:  # as the community has it: parts by name, equal tensors once
        tower = "vision_tower.vision_tower."
        renamed = {
            k.replace(tower, "v.") if k.startswith((tower, "mm_")) else f"t5.{k}": v
            for k, v in kept.items()
        }
        save_file(renamed, path / "model.safetensors")
        if layout == "community folder":
            (path / "config.json").write_text("{}")
            return path
        return path / "model.safetensors"
    return path


@pytest.mark.parametrize(
    "layout",
    ["one pickle", "safetensors", "shards", "file", "community file", "community folder"],
)
def test_layouts(scorer, tmp_path, layout):
    tiny_t5.t5_tokenizer(tmp_path)
    path = variants(tmp_path, layout)
    assert is_clip_flant5(peek(path))
    wanted = scorer.score(images(32, 20), PROMPTS)
    got = load(path).score(images(32, 20), PROMPTS)
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=0)


def test_the_embeddings_are_not_the_output_layer(clip_flant5, scorer):
    """transformers 5 ties them for any T5, and would have one overwrite the other."""
    state, t5 = tiny_t5.clip_flant5_state(), scorer.module.t5
    assert torch.equal(t5.shared.weight, state["shared.weight"])
    assert torch.equal(t5.lm_head.weight, state["lm_head.weight"])
    assert not torch.allclose(state["lm_head.weight"], state["shared.weight"], atol=0.5)
    assert t5.encoder.embed_tokens is t5.decoder.embed_tokens is t5.shared  # held once


def test_config_need_not_be_known_or_complete(clip_flant5):
    """transformers does not know clip_t5, and T5 has no start of an answer by default."""
    with pytest.raises((ValueError, KeyError)):
        transformers.AutoConfig.from_pretrained(clip_flant5)
    assert "decoder_start_token_id" not in json.loads((clip_flant5 / "config.json").read_text())


def test_nothing_is_left_unread(scorer):
    module = scorer.module
    everything = [*module.named_parameters(), *module.named_buffers()]
    assert not [name for name, tensor in everything if tensor.is_meta]
    assert not [name for name, weights in module.named_parameters() if weights.requires_grad]
    assert not any(part.training for part in module.modules())
    held = module.vision.state_dict()
    for name, tensor in tiny_t5.drawn(tiny_t5.vision_shapes()).items():
        name = name if name in held else name.removeprefix("vision_model.")
        assert torch.equal(held[name], tensor), name
    assert module.vision.config.hidden_act == "quick_gelu"


def refusal(path):
    with pytest.raises(ValueError) as error:
        load(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_wrong_checkpoints_say_what_they_are(tmp_path):
    from safetensors.torch import save_file

    tiny_t5.t5_tokenizer(tmp_path)
    assert "does not exist" in refusal(tmp_path / "missing.safetensors")
    assert "neither a weights file nor a folder" in refusal(tmp_path)
    for key, kind in [
        ("encoder.block.0.layer.0.SelfAttention.q.weight", "a T5 text encoder"),
        ("some.weight", "something else (first key some.weight)"),
    ]:
        save_file({key: torch.zeros(2)}, tmp_path / "wrong.safetensors")
        assert kind in refusal(tmp_path / "wrong.safetensors")
        assert not is_clip_flant5(peek(tmp_path / "wrong.safetensors"))
    (tmp_path / "wrong.safetensors").unlink()
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "t5"}))
    assert 'looks like a model of type "t5": expected CLIP-FlanT5' in refusal(tmp_path)
    config.write_text(json.dumps(tiny_t5.CLIP_T5))
    assert "has no weights" in refusal(tmp_path)
    config.write_text(json.dumps(tiny_t5.CLIP_T5 | {"auto_map": {"AutoModel": "evil.Evil"}}))
    assert "run code of its own" in refusal(tmp_path)


@pytest.mark.parametrize(
    "lost",
    [
        "lm_head.weight",
        "decoder.block.1.layer.1.EncDecAttention.k.weight",
        "vision_tower.vision_tower.vision_model.encoder.layers.1.mlp.fc2.bias",
        "mm_projector.2.bias",
    ],
)
def test_missing_tensors(tmp_path, lost):
    from safetensors.torch import save_file

    tiny_t5.t5_tokenizer(tmp_path)
    state = {k: v.clone() for k, v in tiny_t5.clip_flant5_state().items() if k != lost}
    save_file(state, tmp_path / "part.safetensors")
    told = refusal(tmp_path / "part.safetensors")
    assert "lacks 1 tensors" in told and ".".join(lost.split(".")[-2:]) + " among" in told


def test_missing_embeddings_and_shards(tmp_path):
    from safetensors.torch import save_file

    tiny_t5.t5_tokenizer(tmp_path)
    state = tiny_t5.clip_flant5_state()
    words = ("shared.weight", "embed_tokens.weight")
    save_file(
        {k: v for k, v in state.items() if not k.endswith(words)}, tmp_path / "part.safetensors"
    )
    assert "lacks T5's embeddings" in refusal(tmp_path / "part.safetensors")
    tiny_t5.clip_flant5(tmp_path / "whole")
    tiny_t5.t5_tokenizer(tmp_path / "whole")
    (tmp_path / "whole" / "pytorch_model-00002-of-00002.bin").unlink()
    assert "lacks pytorch_model-00002-of-00002.bin" in refusal(tmp_path / "whole")


@pytest.mark.parametrize(("heads", "d_ff"), [(32, 5120), (64, 10240)], ids=["xl", "xxl"])
def test_the_known_sizes(heads, d_ff):
    """They are told by the shapes of their tensors alone."""
    width, start = 64 * heads, "encoder.block.0.layer"
    shapes = {
        "lm_head.weight": (32128, width),
        f"{start}.0.SelfAttention.q.weight": (width, width),
        f"{start}.0.SelfAttention.relative_attention_bias.weight": (32, heads),
        f"{start}.1.DenseReluDense.wi_0.weight": (d_ff, width),
    }
    shapes |= {f"{s}.block.{i}.x": () for s in ("encoder", "decoder") for i in range(24)}
    config = t5_config({k: torch.empty(shape, device="meta") for k, shape in shapes.items()})
    wanted = {
        "d_model": width, "d_kv": 64, "d_ff": d_ff, "num_heads": heads, "num_layers": 24,
        "num_decoder_layers": 24, "dense_act_fn": "gelu_new", "is_gated_act": True,
        "vocab_size": 32128, "layer_norm_epsilon": 1e-6, "relative_attention_max_distance": 128,
    }  # fmt: skip
    assert {key: getattr(config, key) for key in wanted} == wanted
