"""Builds a CLIPModel from a local folder or a single file; nothing is ever downloaded.

A folder is a Hugging Face one: config.json and weights. A single file holds the CLIPModel's state
dict alone; its configuration is read off the shapes of its tensors. Weights are safetensors, or
pickles read with ``weights_only``. Every error is a ValueError of one sentence.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .weights import Peek, Wanted, check_complete, read_state

if TYPE_CHECKING:
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

WANTED = Wanted(
    "a CLIP model in Hugging Face layout (CLIPModel: text and vision tower)",
    "https://huggingface.co/openai/clip-vit-large-patch14",
)
PATCHES = "vision_model.embeddings.patch_embedding.weight"
KEYS = (
    PATCHES,
    "text_model.embeddings.token_embedding.weight",
    "visual_projection.weight",
    "text_projection.weight",
    "logit_scale",
)


def is_clip(seen: Peek) -> bool:
    """Whether `load_model` may load it."""
    return seen.unknown or (seen.kind == "clip" if seen.config else seen.has(*KEYS))


def load_model(path: Path, activation: str) -> "CLIPModel":
    """The model at ``path``, float32, frozen, in evaluation mode.

    ``activation`` "auto" takes the folder's own; for a single file it is gelu from 1024 embedding
    channels up (LAION's H, g and bigG, and PickScore), quick_gelu below (OpenAI's).
    """
    if not path.exists():
        raise WANTED.error(path, "does not exist")
    single = _weights_file(path)
    model = _from_file(single, activation) if single else _from_folder(path, activation)
    return model.float().eval().requires_grad_(False)


def load_tokenizer(path: Path, fallback: Path | None) -> "CLIPTokenizer":
    """The tokenizer in the folder ``path``, or else the one in the folder ``fallback``."""
    from transformers import CLIPTokenizer

    for folder in (path, fallback):
        if folder is None:
            continue
        whole = (folder / "tokenizer.json").is_file()
        if whole or all((folder / name).is_file() for name in ("vocab.json", "merges.txt")):
            return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    raise ValueError(
        f"no tokenizer at {path}: vocab.json and merges.txt, or tokenizer.json, wanted"
    )


def infer_config(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, int] | int]:
    """CLIPConfig arguments from a CLIPModel's tensors.

    Heads are 64 wide, except in vision towers wider than 1024 (ViT-H, g and bigG), which have 16.
    """
    width, _, patch, _ = state[PATCHES].shape
    positions = state["vision_model.embeddings.position_embedding.weight"].shape[0]
    words, text_width = state["text_model.embeddings.token_embedding.weight"].shape
    length = state["text_model.embeddings.position_embedding.weight"].shape[0]
    vision = _tower(state, "vision_model") | {
        "hidden_size": width,
        "num_attention_heads": width // 64 if width <= 1024 else 16,
        "patch_size": patch,
        "image_size": patch * math.isqrt(positions - 1),
    }
    text = _tower(state, "text_model") | {
        "hidden_size": text_width,
        "num_attention_heads": text_width // 64,
        "vocab_size": words,
        "max_position_embeddings": length,
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": words - 1,
    }
    dim = state["visual_projection.weight"].shape[0]
    return {"text_config": text, "vision_config": vision, "projection_dim": dim}


def _tower(state: Mapping[str, torch.Tensor], name: str) -> dict[str, int]:
    start = f"{name}.encoder.layers."
    layers = {int(key[len(start) :].split(".")[0]) for key in state if key.startswith(start)}
    inner = state[f"{start}0.mlp.fc1.weight"].shape[0]
    return {"num_hidden_layers": len(layers), "intermediate_size": inner}


def _weights_file(path: Path) -> Path | None:
    """``path`` if it is a file, the only safetensors of a folder without config.json, else None."""
    if path.is_file():
        return path
    if (path / "config.json").is_file():
        return None
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        raise WANTED.error(path, "has no config.json")
    return files[0]


def _from_folder(path: Path, activation: str) -> "CLIPModel":
    from transformers import CLIPConfig, CLIPModel

    kind = json.loads((path / "config.json").read_text(encoding="utf-8")).get("model_type")
    if kind != "clip":
        raise WANTED.error(path, f'holds a model of type "{kind}"')
    config = CLIPConfig.from_pretrained(path, local_files_only=True)
    _set_activation(config, activation)
    try:
        model, report = CLIPModel.from_pretrained(
            path,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=any(path.glob("*.safetensors")),
            output_loading_info=True,
        )
    except OSError as error:
        raise WANTED.error(path, "has no readable weights") from error
    check_complete(path, report["missing_keys"], WANTED)
    return model


def _from_file(path: Path, activation: str) -> "CLIPModel":
    from transformers import CLIPConfig, CLIPModel

    state = read_state(path, WANTED, *KEYS)
    dim = state["visual_projection.weight"].shape[0]
    config = CLIPConfig(**infer_config(state))
    own = "gelu" if dim >= 1024 else "quick_gelu"
    _set_activation(config, own if activation == "auto" else activation)
    model, report = CLIPModel.from_pretrained(
        None, config=config, state_dict=state, output_loading_info=True
    )
    check_complete(path, report["missing_keys"], WANTED)
    return model


def _set_activation(config: "CLIPConfig", activation: str) -> None:
    if activation != "auto":
        config.text_config.hidden_act = config.vision_config.hidden_act = activation
