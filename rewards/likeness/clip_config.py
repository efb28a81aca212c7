"""The configuration of a CLIP model, inferred from the tensors of its state dict."""

import math
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.json_files import read_json

if TYPE_CHECKING:
    from transformers import CLIPConfig

PATCHES = "vision_model.embeddings.patch_embedding.weight"
PROJECTION = "visual_projection.weight"
WORDS = "text_model.embeddings.token_embedding.weight"


def activation_field() -> str:
    """The setting `activation`."""
    return field(
        default="auto",
        metadata={
            "tooltip": "auto reads it from the folder, or guesses. LAION and PickScore need gelu. "
            "OpenAI, MetaCLIP and DFN need quick_gelu.",
            "choices": ("auto", "quick_gelu", "gelu"),
            "advanced": True,
        },
    )


def infer_config(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, int] | int]:
    """Arguments of CLIPConfig from the tensors of a CLIPModel or of its image tower.

    Attention heads have 64 channels. Vision towers wider than 1024 (ViT-H, g, bigG) have 16 heads.

    Raises: KeyError if a tensor is missing.
    """
    width, _, patch, _ = state[PATCHES].shape
    positions = state["vision_model.embeddings.position_embedding.weight"].shape[0]
    vision = _tower(state, "vision_model") | {
        "hidden_size": width,
        "num_attention_heads": width // 64 if width <= 1024 else 16,
        "patch_size": patch,
        "image_size": patch * math.isqrt(positions - 1),
    }
    image_only = {"vision_config": vision, "projection_dim": state[PROJECTION].shape[0]}
    if WORDS not in state:
        return image_only
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
    return image_only | {"text_config": text}


def _tower(state: Mapping[str, torch.Tensor], name: str) -> dict[str, int]:
    start = f"{name}.encoder.layers."
    layers = {int(key[len(start) :].split(".")[0]) for key in state if key.startswith(start)}
    inner = state[f"{start}0.mlp.fc1.weight"].shape[0]
    return {"num_hidden_layers": len(layers), "intermediate_size": inner}


def file_config(state: Mapping[str, torch.Tensor], activation: str) -> "CLIPConfig":
    """The configuration of the model in a file; KeyError names a missing tensor."""
    from transformers import CLIPConfig

    config = CLIPConfig(**infer_config(state))
    set_activation(config, activation)
    return config


def likely_activation(path: Path, state: Mapping[str, torch.Tensor], open_clip: bool) -> str:
    """The activation that a file was most likely trained with. Its tensors do not show it.

    In open_clip's layout this is gelu, unless an open_clip_config.json next to the file says
    otherwise. In transformers' layout it is gelu from 1024 embedding channels up (LAION's H, g and
    bigG, and PickScore) and quick_gelu below (OpenAI's).

    Args:
        path: the file.
        state: its tensors, under the names of transformers.
        open_clip: whether the file has open_clip's layout.
    """
    settings = path.parent / "open_clip_config.json"
    if not open_clip:
        quick = state[PROJECTION].shape[0] < 1024
    elif settings.is_file():
        quick = read_json(settings).get("model_cfg", {}).get("quick_gelu", False)
    else:
        quick = False
    return "quick_gelu" if quick else "gelu"


def set_activation(config: "CLIPConfig", activation: str) -> None:
    """Use `activation` in both towers."""
    config.text_config.hidden_act = config.vision_config.hidden_act = activation
