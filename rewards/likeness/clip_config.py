"""The configuration of a CLIP model, read off the tensors of its state dict."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.json_files import read_json

if TYPE_CHECKING:
    from transformers import CLIPConfig

PATCHES = "vision_model.embeddings.patch_embedding.weight"
PROJECTION = "visual_projection.weight"
WORDS = "text_model.embeddings.token_embedding.weight"


def infer_config(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, int] | int]:
    """CLIPConfig arguments from a CLIPModel's tensors, or from its image tower's; KeyError else.

    Heads are 64 wide, except in vision towers wider than 1024 (ViT-H, g and bigG), which have 16.
    """
    width, _, patch, _ = state[PATCHES].shape
    positions = state["vision_model.embeddings.position_embedding.weight"].shape[0]
    vision = _tower(state, "vision_model") | {
        "hidden_size": width,
        "num_attention_heads": width // 64 if width <= 1024 else 16,
        "patch_size": patch,
        "image_size": patch * math.isqrt(positions - 1),
    }
    found = {"vision_config": vision, "projection_dim": state[PROJECTION].shape[0]}
    if WORDS not in state:
        return found
    words, text_width = state[WORDS].shape
    text = _tower(state, "text_model") | {
        "hidden_size": text_width,
        "num_attention_heads": text_width // 64,
        "vocab_size": words,
        "max_position_embeddings": state[WORDS.replace("token", "position")].shape[0],
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": words - 1,
    }
    return found | {"text_config": text}


def _tower(state: Mapping[str, torch.Tensor], name: str) -> dict[str, int]:
    start = f"{name}.encoder.layers."
    layers = {int(key[len(start) :].split(".")[0]) for key in state if key.startswith(start)}
    inner = state[f"{start}0.mlp.fc1.weight"].shape[0]
    return {"num_hidden_layers": len(layers), "intermediate_size": inner}


def file_config(state: Mapping[str, torch.Tensor], activation: str) -> "CLIPConfig":
    """The configuration of a file; KeyError of the tensor that it lacks."""
    from transformers import CLIPConfig

    config = CLIPConfig(**infer_config(state))
    set_activation(config, activation)
    return config


def own_activation(path: Path, state: Mapping[str, torch.Tensor], open_clip: bool) -> str:
    """What a file was most likely trained with; the tensors do not tell.

    In open_clip layout gelu, unless an open_clip_config.json beside it says otherwise; in that of
    transformers gelu from 1024 embedding channels up (LAION's H, g and bigG, and PickScore),
    quick_gelu below (OpenAI's).
    """
    beside = path.parent / "open_clip_config.json"
    if not open_clip:
        quick = state[PROJECTION].shape[0] < 1024
    elif beside.is_file():
        told = read_json(beside)
        quick = told.get("model_cfg", {}).get("quick_gelu", False)
    else:
        quick = False
    return "quick_gelu" if quick else "gelu"


def set_activation(config: "CLIPConfig", activation: str) -> None:
    config.text_config.hidden_act = config.vision_config.hidden_act = activation
