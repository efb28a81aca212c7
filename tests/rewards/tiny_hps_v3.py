"""A tiny HPSv3 in the published layout, rebuilt from a seed: for the tests, and for their oracle.

Of the host and the pack it knows nothing, so that it also runs beside the authors' own package.
"""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

PROMPTS = ["a red cat", "two blue dogs, running", "a red cat"]
SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
LATER = ["<tool_call>", "</tool_call>"]  # which only Qwen2-VL's successors have
# Each with the space before it: enough of the instructions to keep them short.
WORDS = (
    "the and image of Evaluate should prompt quality visual textual alignment overall be any such "
    "as or not content description subject consider with in including Relevance style to if "
    "elements contain generated rating errors human number attributes harmony composition"
)
SIZES = ((448, 448), (300, 520), (64, 90))  # height and width of the pictures of the oracle


def build(path):
    """Write HPSv3.safetensors into the folder ``path``, and its tokenizer into ``path``/qwen."""
    from safetensors.torch import save_file

    words = build_tokenizer(Path(path) / "qwen", LATER) - len(LATER) + 1  # and <|Reward|>
    save_file(state(words), str(Path(path) / "HPSv3.safetensors"))


def merges():
    """(left, right) that spell ``WORDS``, letter by letter."""
    made = {}
    for word in WORDS.split():
        for i in range(len(word)):
            made["Ġ" + word[:i], word[i]] = None
    return list(made)


def build_tokenizer(path, later):
    """Bytes and a few words, as the host carries it -> the number of tokens."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [i for i in range(256) if i not in kept]
    letters = [chr(i) for i in kept] + [chr(256 + i) for i in range(len(moved))]
    words = letters + ["".join(merge) for merge in merges()]
    added = {
        str(len(words) + i): {"content": token, "special": token in SPECIAL, "lstrip": False,
                              "rstrip": False, "normalized": False, "single_word": False}
        for i, token in enumerate(SPECIAL + later)
    }  # fmt: skip
    config = {
        "tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added,
        "additional_special_tokens": SPECIAL[1:], "eos_token": "<|im_end|>", "errors": "replace",
        "pad_token": "<|endoftext|>", "bos_token": None, "unk_token": None,
    }  # fmt: skip
    path.mkdir(parents=True, exist_ok=True)
    (path / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges()), ""]
    (path / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return len(words) + len(added)


def shapes(words, wide=256, inner=320, sight=160):
    """Of the published file's tensors by key, scaled down."""
    made = {
        "lm_head.weight": (words, wide), "model.embed_tokens.weight": (words, wide),
        "model.norm.weight": (wide,), "visual.patch_embed.proj.weight": (sight, 3, 2, 14, 14),
        "visual.merger.ln_q.weight": (sight,), "visual.merger.ln_q.bias": (sight,),
    }  # fmt: skip
    linears = {
        "rm_head.0": (1024, wide), "rm_head.3": (16, 1024), "rm_head.5": (2, 16),
        "visual.merger.mlp.0": (4 * sight, 4 * sight), "visual.merger.mlp.2": (wide, 4 * sight),
    }  # fmt: skip
    for i in (0, 1):
        layer, block = f"model.layers.{i}", f"visual.blocks.{i}"
        made |= {f"{layer}.mlp.{name}_proj.weight": (inner, wide) for name in ("gate", "up")}
        made |= {
            f"{layer}.mlp.down_proj.weight": (wide, inner),
            f"{layer}.self_attn.o_proj.weight": (wide, wide),
            f"{layer}.input_layernorm.weight": (wide,),
            f"{layer}.post_attention_layernorm.weight": (wide,),
        }
        made |= {f"{block}.norm{n}.{kind}": (sight,) for n in (1, 2) for kind in ("weight", "bias")}
        linears |= {
            f"{layer}.self_attn.q_proj": (wide, wide), f"{layer}.self_attn.k_proj": (128, wide),
            f"{layer}.self_attn.v_proj": (128, wide), f"{block}.attn.qkv": (3 * sight, sight),
            f"{block}.attn.proj": (sight, sight), f"{block}.mlp.fc1": (4 * sight, sight),
            f"{block}.mlp.fc2": (sight, 4 * sight),
        }  # fmt: skip
    made |= {f"{key}.weight": shape for key, shape in linears.items()}
    return made | {f"{key}.bias": shape[:1] for key, shape in linears.items()}


def state(words):
    """The tensors of the published file."""
    return randomised(shapes(words))


def randomised(shapes):
    """Random weights: matrices large enough that pictures, places and words all matter."""
    made = {}
    for i, (key, shape) in enumerate(sorted(shapes.items())):
        rng = np.random.default_rng(i)
        values = rng.standard_normal(shape).astype(np.float32)
        if len(shape) == 1:
            values = 0.1 * values + (1.0 if "norm" in key or "ln_q" in key else 0.0) * (
                key.endswith("weight")
            )
        else:
            values = values * (2.0 / np.sqrt(np.prod(shape[1:])))
        made[key] = torch.from_numpy(np.asarray(values, np.float32))
    return made


def picture(height, width):
    """A smooth picture of 8 bits, as PIL has it."""
    coarse = np.random.default_rng(height).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
