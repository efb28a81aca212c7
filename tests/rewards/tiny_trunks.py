"""A tiny VideoReward and a tiny EditReward, each in its published layout, rebuilt from a seed.

Of the host and the pack it knows nothing.
"""

import json
from pathlib import Path

import numpy as np
import torch

from .tiny_hps_v3 import LATER, build_tokenizer, randomised, shapes

WIDE, SIGHT, INNER, RANK, ALPHA = 256, 160, 192, 4, 6
TOKENS = ["<|VQ_reward|>", "<|MQ_reward|>", "<|TA_reward|>"]
NORMS = {"VQ_mean": 0.5, "VQ_std": 2.0, "MQ_mean": -0.25, "MQ_std": 0.5, "TA_mean": 1.0,
         "TA_std": 4.0}  # fmt: skip
VIDEO_CONFIG = {
    "data_config": {"fps": 2.0, "max_frame_pixels": 200704, "num_frames": None},
    "model_config": {"output_dim": 1, "use_special_tokens": True},
    "peft_lora_config": {"lora_r": RANK, "lora_alpha": ALPHA, "use_rslora": False},
    "inference_config": NORMS,
}
EDIT_TEMPLATE = (  # with another system prompt than Qwen2-VL's, as MiMo-VL has
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou judge.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def trunk(words):
    """Shapes of a Qwen2-VL without HPSv3's head."""
    return {k: shape for k, shape in shapes(words).items() if not k.startswith("rm_head")}


def video_state(words, rows=1):
    """With the decoder's updates beside its weights."""
    made = trunk(words) | {"rm_head.weight": (rows, WIDE)}
    for key, shape in list(made.items()):
        name, _, kind = key.rpartition(".")
        if name.startswith("model.layers.") and "norm" not in name:
            made[f"{name}.base_layer.{kind}"] = made.pop(key)
            if kind == "weight":
                made[f"{name}.lora_A.default.weight"] = (RANK, shape[1])
                made[f"{name}.lora_B.default.weight"] = (shape[0], RANK)
    return {f"base_model.model.{key}": value for key, value in calm(made).items()}


def calm(made):
    """Random weights whose attention looks at more than one token, and small updates."""
    state = randomised(made)
    for key, value in state.items():
        if any(name in key for name in ("q_proj.", "k_proj.", "qkv.")):
            value *= 0.5
        if ".lora_B." in key:
            value *= 0.1
    return state


def build_video(path, words=None, half=False):
    """Write checkpoint-11352/model.pth, model_config.json and qwen/ into the folder ``path``."""
    path = Path(path)
    words = words or build_tokenizer(path / "qwen", LATER) - len(LATER) + len(TOKENS)
    (path / "checkpoint-11352").mkdir(parents=True)
    state = video_state(words)
    state = {key: value.bfloat16() for key, value in state.items()} if half else state
    torch.save(state, path / "checkpoint-11352" / "model.pth")
    (path / "model_config.json").write_text(json.dumps(VIDEO_CONFIG))


def edit_shapes(words):
    """Of the published file's tensors by key, scaled down, in the layout of transformers 4.57."""
    text = {k: shape for k, shape in trunk(words).items() if k.startswith("model.")}
    made = {k.replace("model.", "model.language_model.", 1): shape for k, shape in text.items()}
    made |= {"lm_head.weight": (words, WIDE), "model.visual.merger.ln_q.weight": (SIGHT,)}
    made["model.visual.patch_embed.proj.weight"] = (SIGHT, 3, 2, 14, 14)
    linears = {
        "model.visual.merger.mlp.0": (4 * SIGHT, 4 * SIGHT),
        "model.visual.merger.mlp.2": (WIDE, 4 * SIGHT),
    }
    for i in (0, 1):
        block, head = f"model.visual.blocks.{i}", f"rm_heads.head_{i}"
        made |= {f"{block}.norm{n}.weight": (SIGHT,) for n in (1, 2)}
        linears |= {
            f"{block}.attn.qkv": (3 * SIGHT, SIGHT), f"{block}.attn.proj": (SIGHT, SIGHT),
            f"{block}.mlp.gate_proj": (INNER, SIGHT), f"{block}.mlp.up_proj": (INNER, SIGHT),
            f"{block}.mlp.down_proj": (SIGHT, INNER),
            f"{head}.0": (1024, WIDE), f"{head}.3": (16, 1024), f"{head}.5": (2, 16),
        }  # fmt: skip
    made |= {f"{key}.weight": shape for key, shape in linears.items()}
    return made | {f"{key}.bias": shape[:1] for key, shape in linears.items()}


def edit_config(words):
    """As Qwen2.5-VL's."""
    return {
        "model_type": "qwen2_5_vl", "hidden_size": WIDE, "num_attention_heads": 2,
        "num_key_value_heads": 1, "num_hidden_layers": 2, "intermediate_size": 320,
        "vocab_size": words, "rms_norm_eps": 1e-5, "rope_theta": 640000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vision_config": {
            "depth": 2, "hidden_size": SIGHT, "intermediate_size": INNER, "num_heads": 2,
            "out_hidden_size": WIDE, "window_size": 112, "fullatt_block_indexes": [1],
            "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
    }  # fmt: skip


def build_edit(path):
    """Write the folder: model.safetensors and the small files of its base model."""
    from safetensors.torch import save_file

    path = Path(path)
    words = build_tokenizer(path, LATER) + 1  # and <|Reward|>
    save_file(calm(edit_shapes(words)), str(path / "model.safetensors"))
    (path / "config.json").write_text(json.dumps(edit_config(words)))
    (path / "chat_template.json").write_text(json.dumps({"chat_template": EDIT_TEMPLATE}))


def clip(frames, height=64, width=90):
    """A smooth video (T, H, W, 3) of 8 bits."""
    from PIL import Image

    rng = np.random.default_rng(frames)
    coarse = rng.integers(0, 256, (frames, 5, 7, 3), dtype=np.uint8)
    rows = [Image.fromarray(row).resize((width, height), Image.BICUBIC) for row in coarse]
    return torch.from_numpy(np.stack([np.asarray(row) for row in rows]))
