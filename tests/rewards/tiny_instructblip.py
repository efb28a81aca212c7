"""A tiny InstructBLIP-FlanT5 as it is published: of the host and the pack it knows nothing."""

import json

import pytest
import torch

from . import tiny_t5

transformers = pytest.importorskip("transformers")

QUERIES, IMAGE = 4, tiny_t5.PIECES.index("9")  # no question here holds a 9
CONFIG = {
    "model_type": "instructblip", "architectures": ["InstructBlipForConditionalGeneration"],
    "num_query_tokens": QUERIES, "image_token_index": None,
    "vision_config": {
        "model_type": "instructblip_vision_model", "hidden_size": 64, "intermediate_size": 96,
        "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
        "hidden_act": "gelu", "layer_norm_eps": 1e-6, "qkv_bias": True,
    },
    "qformer_config": {
        "model_type": "instructblip_qformer", "vocab_size": 90, "hidden_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 56,
        "max_position_embeddings": 200, "cross_attention_frequency": 2, "encoder_hidden_size": 64,
    },
    "text_config": {
        "model_type": "t5", "d_model": tiny_t5.WIDTH, "d_kv": 16, "d_ff": tiny_t5.D_FF,
        "num_heads": 3, "num_layers": 2, "num_decoder_layers": 3, "dense_act_fn": "gelu",
        "feed_forward_proj": "gated-gelu", "is_gated_act": True, "tie_word_embeddings": False,
        "vocab_size": len(tiny_t5.PIECES), "decoder_start_token_id": 0,
    },
}  # fmt: skip


def new_model():
    """The class with T5's output layer of its own, as published."""
    raw = CONFIG | {"image_token_index": IMAGE}
    config = transformers.InstructBlipConfig(**{k: v for k, v in raw.items() if k != "model_type"})
    model = transformers.InstructBlipForConditionalGeneration(config).eval()
    t5 = model.language_model
    t5.lm_head.weight = torch.nn.Parameter(torch.empty_like(t5.lm_head.weight))
    t5.config.tie_word_embeddings = t5.config.scale_decoder_outputs = False
    return model


def new_state():
    """Every tensor, T5's embeddings three times."""
    shapes = {k: tuple(v.shape) for k, v in new_model().state_dict().items()}
    state = tiny_t5.drawn({k: v for k, v in shapes.items() if "position_ids" not in k})
    shared = state["language_model.shared.weight"]
    for stack in ("encoder", "decoder"):
        state[f"language_model.{stack}.embed_tokens.weight"] = shared
    state["language_projection.weight"] *= 4
    return state


def write(path, state, shards=2, pickles=False):
    """The folder as published: configuration, weights in shards with their index, tokenizers."""
    from safetensors.torch import save_file

    (path / "qformer_tokenizer").mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(CONFIG))
    name = "pytorch_model{}.bin" if pickles else "model{}.safetensors"
    index = {}
    for i in range(shards):
        part = dict(list(state.items())[i::shards])
        file = name.format("" if shards == 1 else f"-{i + 1:05}-of-{shards:05}")
        index |= dict.fromkeys(part, file)
        (torch.save if pickles else save_file)(part, path / file)
    if shards > 1:
        whole = {"metadata": {}, "weight_map": index}
        (path / (name.format("") + ".index.json")).write_text(json.dumps(whole))
    tiny_t5.t5_tokenizer(path)
    letters = 'abcdefghijklmnopqrstuvwxyz0123456789"?.:,'
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "figure"]
    words += [*letters, *(f"##{x}" for x in letters)]
    (path / "qformer_tokenizer" / "vocab.txt").write_text("\n".join(words[:90]) + "\n")


def build(path):
    """Write a tiny InstructBLIP-FlanT5 to the folder ``path`` as it is published."""
    state = new_state()
    for stack in ("encoder", "decoder"):
        del state[f"language_model.{stack}.embed_tokens.weight"]
    write(path / ".", state)
