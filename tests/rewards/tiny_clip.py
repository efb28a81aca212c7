"""Tiny CLIP weights in the layouts people publish, the same on every machine; no host, no pack."""

import json

import numpy as np
import torch
from safetensors.torch import save_file

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.!"
WORDS = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
PROMPTS = ["a red cat", "two blue dogs, running", "a red cat"]
IMAGE, PATCH, WIDTH, TEXT_WIDTH = 32, 8, 128, 64
LENGTH = 200  # tokens; the condition of MPS has 163, and padding counts there


def write_tokenizer(path):
    (path / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(WORDS)}))
    (path / "merges.txt").write_text("#version: 0.2\n")


def pictures(height=72, width=96, seed=0):
    """Three pictures of blocks, (3, height, width, 3), 8 bits."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (3, -(-height // 6), -(-width // 6), 3), dtype=np.uint8)
    return coarse.repeat(6, axis=1).repeat(6, axis=2)[:, :height, :width]


def shown(images):
    """8 bits -> what a reward is given."""
    return torch.tensor(images).float() / 255


def fill(shapes, seed=0):
    """Values for {key: shape}: matrices wide enough that activations bend, norms near 1."""
    rng = np.random.default_rng(seed)
    state = {}
    for key, shape in shapes.items():
        values = rng.normal(0, 0.3 if len(shape) > 1 else 0.1, shape)
        if "ln_" in key or "norm" in key:
            values = values + key.endswith("weight")
        state[key] = torch.tensor(values, dtype=torch.float32)
    return state


def _blocks(start, layers, width, inner):
    shapes = {
        "ln_1.weight": (width,), "ln_1.bias": (width,),
        "attn.in_proj_weight": (3 * width, width), "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width), "attn.out_proj.bias": (width,),
        "ln_2.weight": (width,), "ln_2.bias": (width,),
        "mlp.c_fc.weight": (inner, width), "mlp.c_fc.bias": (inner,),
        "mlp.c_proj.weight": (width, inner), "mlp.c_proj.bias": (width,),
    }  # fmt: skip
    return {
        f"{start}transformer.resblocks.{i}.{key}": shape
        for i in range(layers)
        for key, shape in shapes.items()
    }


def open_clip_state(dim=48, seed=0):
    """open_clip's CLIP: 3 layers of 2 heads that look, 2 layers of 1 head that read."""
    shapes = {
        "positional_embedding": (LENGTH, TEXT_WIDTH), "text_projection": (TEXT_WIDTH, dim),
        "visual.class_embedding": (WIDTH,), "visual.proj": (WIDTH, dim),
        "visual.positional_embedding": ((IMAGE // PATCH) ** 2 + 1, WIDTH),
        "visual.conv1.weight": (WIDTH, 3, PATCH, PATCH),
        "visual.ln_pre.weight": (WIDTH,), "visual.ln_pre.bias": (WIDTH,),
        **_blocks("visual.", 3, WIDTH, 160),
        "visual.ln_post.weight": (WIDTH,), "visual.ln_post.bias": (WIDTH,),
        **_blocks("", 2, TEXT_WIDTH, 96),
        "token_embedding.weight": (len(WORDS), TEXT_WIDTH),
        "ln_final.weight": (TEXT_WIDTH,), "ln_final.bias": (TEXT_WIDTH,),
    }  # fmt: skip
    return fill(shapes, seed) | {"logit_scale": torch.tensor(3.0)}


def renamed(state):
    """An `open_clip_state` as transformers' CLIPModel has it, by hand."""
    names = [
        ("visual.transformer.resblocks", "vision_model.encoder.layers"),
        ("transformer.resblocks", "text_model.encoder.layers"),
        ("visual.ln_pre", "vision_model.pre_layrnorm"),
        ("visual.ln_post", "vision_model.post_layernorm"),
        ("visual.class_embedding", "vision_model.embeddings.class_embedding"),
        ("visual.conv1", "vision_model.embeddings.patch_embedding"),
        ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
        ("token_embedding", "text_model.embeddings.token_embedding"),
        ("ln_final", "text_model.final_layer_norm"),
        ("ln_", "layer_norm"), ("c_fc", "fc1"), ("c_proj", "fc2"),
        ("attn.out", "self_attn.out"),
    ]  # fmt: skip
    found = {}
    for key, value in state.items():
        if key == "positional_embedding":
            found["text_model.embeddings.position_embedding.weight"] = value
        elif key in ("visual.proj", "text_projection"):
            name = "visual_projection" if "visual" in key else key
            found[f"{name}.weight"] = value.T.contiguous()
        else:
            for old, new in names:
                key = key.replace(old, new)
            before, in_proj, kind = key.partition("attn.in_proj_")
            if in_proj:
                for i, name in enumerate("qkv"):
                    rows = value[i * len(value) // 3 : (i + 1) * len(value) // 3]
                    found[f"{before}self_attn.{name}_proj.{kind}"] = rows.clone()
            else:
                found[key] = value
    return found


def cross_shapes(dim, heads=3, head=16, layers=2):
    """The blocks of MPS on top of CLIP."""
    inner, hidden = heads * head, 4 * dim
    pair = {
        "0.fn.norm.weight": (dim,), "0.fn.norm.bias": (dim,),
        "0.fn.to_q.weight": (inner, dim), "0.fn.to_kv.weight": (2 * head, dim),
        "0.fn.to_out.weight": (dim, inner),
        "0.fn.ff.0.weight": (2 * hidden, dim), "0.fn.ff.2.weight": (dim, hidden),
        "1.fn.norm.weight": (dim,), "1.fn.norm.bias": (dim,),
        "1.fn.fused_attn_ff_proj.weight": (inner + 2 * head + 2 * hidden, dim),
        "1.fn.attn_out.weight": (dim, inner), "1.fn.ff_out.1.weight": (dim, hidden),
    }  # fmt: skip
    return {f"layers.{i}.{key}": shape for i in range(layers) for key, shape in pair.items()}


def mps_state(dim=48, seed=3):
    """MPS as it is published: CLIP in transformers' layout below, the blocks beside it."""
    state = {f"model.{key}": value for key, value in renamed(open_clip_state(dim, seed)).items()}
    for key, value in fill(cross_shapes(dim), seed).items():
        # Upstream's norms have a bias that is a buffer, always 0.
        value = torch.zeros_like(value) if key.endswith("norm.bias") else 0.5 * value
        state[f"cross_model.{key}"] = value
    speed = 1.0 / (10000 ** (torch.arange(0, 16, 2).float() / 16))
    for i in range(2):
        state[f"cross_model.layers.{i}.1.fn.rotary_emb.inv_freq"] = speed.clone()
    return state


def save(state, file):
    """Write ``file``, with a tokenizer beside it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file) if file.suffix == ".safetensors" else torch.save(state, file)
    write_tokenizer(file.parent)
    return file
