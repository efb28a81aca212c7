"""Tiny checkpoints of T5 models in their published layouts, the same with any transformers.

Every tensor is drawn from a seed of its own name, so that no class need be built to know it. Knows
neither the pack nor pytest: ``fixtures/make_clip_flant5.py`` builds the same files elsewhere.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

LETTERS = " abcdefghijklmnopqrstuvwxyzACDQRSTUY0123456789\"?.:,'-"
WORDS = ["▁Yes", "▁No", "▁yes", "▁no", "▁figure", "▁assistant", "▁USER", "▁ASSIST"]
PIECES = ["<pad>", "</s>", "<unk>", *(x.replace(" ", "▁") for x in LETTERS), *WORDS]
HEADS, WIDTH, INNER, D_FF = 3, 40, 48, 56
VISION, PATCH, SIZE = 128, 8, 32


def t5_tokenizer(path):
    """Write T5's kind of tokenizer.json to the folder ``path``: Unigram, and </s> at the end."""
    path.mkdir(parents=True, exist_ok=True)
    special = [
        {"id": i, "content": word, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for i, word in enumerate(PIECES[:3])
    ]  # fmt: skip
    spaces = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    vocab = [[word, -2.0 if len(word) > 1 else -5.0] for word in PIECES]
    whole = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": None, "decoder": spaces,
        "pre_tokenizer": {
            "type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, spaces]
        },
        "post_processor": {
            "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, end],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocab, "byte_fallback": False},
    }  # fmt: skip
    (path / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")


def drawn(shapes, gain=1.0):
    """Tensors of ``shapes`` by name; a name's last words say what it is."""
    state = {}
    for name, shape in shapes.items():
        rng = np.random.RandomState(zlib.crc32(name.encode()) % 2**32)
        values = torch.tensor(rng.standard_normal(shape), dtype=torch.float32)
        if "norm" in name and name.endswith("weight") and len(shape) == 1:
            values = 1 + 0.2 * values
        elif name.endswith("bias") or len(shape) == 1:
            values = 0.2 * values
        elif "embed" not in name and "shared" not in name and "attention_bias" not in name:
            values = values * gain / np.prod(shape[1:]) ** 0.5
        if name.endswith(".q.weight"):  # T5 does not divide its attention by the width of a head
            values = values / 2
        state[name] = values
    return state


def t5_shapes():
    """Of T5ForConditionalGeneration, without what is there twice; heads are not all its width."""
    shapes = {"shared.weight": (len(PIECES), WIDTH), "lm_head.weight": (len(PIECES), WIDTH)}
    for stack, layers in (("encoder", 2), ("decoder", 3)):
        shapes[f"{stack}.final_layer_norm.weight"] = (WIDTH,)
        for i in range(layers):
            kinds = ["SelfAttention"] + ["EncDecAttention"] * (stack == "decoder")
            for j, kind in enumerate(kinds):
                start = f"{stack}.block.{i}.layer.{j}"
                shapes[f"{start}.layer_norm.weight"] = (WIDTH,)
                shapes |= {f"{start}.{kind}.{x}.weight": (INNER, WIDTH) for x in "qkv"}
                shapes[f"{start}.{kind}.o.weight"] = (WIDTH, INNER)
            start = f"{stack}.block.{i}.layer.{len(kinds)}"
            shapes[f"{start}.layer_norm.weight"] = (WIDTH,)
            shapes |= {f"{start}.DenseReluDense.wi_{x}.weight": (D_FF, WIDTH) for x in (0, 1)}
            shapes[f"{start}.DenseReluDense.wo.weight"] = (WIDTH, D_FF)
        bias = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        shapes[bias] = (32, HEADS)
    return shapes


def vision_shapes():
    """Of CLIPVisionModel as it is published."""
    shapes = {
        "embeddings.class_embedding": (VISION,),
        "embeddings.patch_embedding.weight": (VISION, 3, PATCH, PATCH),
        "embeddings.position_embedding.weight": ((SIZE // PATCH) ** 2 + 1, VISION),
    }
    norms = ["pre_layrnorm", "post_layernorm"]
    linears = {}
    for i in range(3):
        start = f"encoder.layers.{i}"
        norms += [f"{start}.layer_norm1", f"{start}.layer_norm2"]
        names = ("q_proj", "k_proj", "v_proj", "out_proj")
        linears |= {f"{start}.self_attn.{name}": (VISION, VISION) for name in names}
        linears |= {f"{start}.mlp.fc1": (96, VISION), f"{start}.mlp.fc2": (VISION, 96)}
    shapes |= {f"{name}.{x}": (VISION,) for name in norms for x in ("weight", "bias")}
    shapes |= {f"{name}.weight": shape for name, shape in linears.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in linears.items()}
    return {f"vision_model.{name}": shape for name, shape in shapes.items()}


def clip_flant5_state():
    """As published: the embeddings four times, CLIP's tower and the projector beside T5."""
    t5 = drawn(t5_shapes())
    for name in ("encoder.embed_tokens", "decoder.embed_tokens", "embed_tokens"):
        t5[f"{name}.weight"] = t5["shared.weight"]
    vision = {f"vision_tower.vision_tower.{k}": v for k, v in drawn(vision_shapes()).items()}
    shapes = {"0.weight": (WIDTH, VISION), "2.weight": (WIDTH, WIDTH)}
    shapes |= {"0.bias": (WIDTH,), "2.bias": (WIDTH,)}
    return t5 | vision | drawn({f"mm_projector.{k}": v for k, v in shapes.items()}, gain=3)


CLIP_T5 = {
    "model_type": "clip_t5", "architectures": ["CLIPT5ForConditionalGeneration"],
    "d_model": WIDTH, "d_kv": INNER // HEADS, "d_ff": D_FF, "num_heads": HEADS, "num_layers": 2,
    "num_decoder_layers": 3, "vocab_size": len(PIECES), "feed_forward_proj": "gated-gelu",
    "is_gated_act": True, "dense_act_fn": "gelu_new", "tie_word_embeddings": False,
    "mm_vision_tower": "openai/clip-vit-large-patch14-336", "mm_hidden_size": VISION,
    "mm_projector_type": "mlp2x_gelu", "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch", "use_mm_proj": True,
}  # fmt: skip


def clip_flant5(path, shards=2):
    """Write the published folder: a config.json, and pickles in ``shards`` with their index."""
    path.mkdir(parents=True, exist_ok=True)
    state = clip_flant5_state()
    (path / "config.json").write_text(json.dumps(CLIP_T5))
    if shards == 1:
        torch.save(state, path / "pytorch_model.bin")
        return state
    index = {}
    for i in range(shards):
        part = {k: v.clone() for k, v in list(state.items())[i::shards]}
        name = f"pytorch_model-{i + 1:05}-of-{shards:05}.bin"
        torch.save(part, path / name)
        index |= dict.fromkeys(part, name)
    whole = {"metadata": {}, "weight_map": index}
    (path / "pytorch_model.bin.index.json").write_text(json.dumps(whole))
    return state


def build(path):
    """Write a tiny CLIP-FlanT5 to the folder ``path`` as it is published, and a tokenizer."""
    clip_flant5(path)
    t5_tokenizer(path)


def pictures(shape, count=3):
    """Smooth pictures (count, H, W, 3) of whole levels, uint8."""
    rng = np.random.RandomState(7)
    coarse = rng.randint(0, 256, (count, 5, 4, 3)).astype(np.uint8)
    height, width = shape
    return np.stack([np.asarray(Image.fromarray(x).resize((width, height), 2)) for x in coarse])


def clip_vision_folder(path):
    """Write CLIP's tower as its own folder, as CLIP-FlanT5's package wants to read it."""
    from safetensors.torch import save_file

    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "clip_vision_model", "hidden_size": VISION, "intermediate_size": 96,
        "num_hidden_layers": 3, "num_attention_heads": VISION // 64, "patch_size": PATCH,
        "image_size": SIZE, "hidden_act": "quick_gelu",
    }  # fmt: skip
    shown = {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": SIZE},
        "crop_size": {"height": SIZE, "width": SIZE}, "resample": 3,
    }  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    (path / "preprocessor_config.json").write_text(json.dumps(shown))
    save_file(drawn(vision_shapes()), path / "model.safetensors", {"format": "pt"})
