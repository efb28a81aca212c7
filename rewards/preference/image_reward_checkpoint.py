"""Build ImageReward from its published weights, as transformers' BLIP, and its tokenizer.

Sizes are inferred from the shapes of the tensors. Attention heads have 64 channels. Errors are
ValueErrors.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.config_sizes import check_size
from ..files.source import reading
from ..files.state_dict import below, building, check_complete, layers, read_state, shapes_in
from ..files.weights import Peek, Source, weights_file
from .linear_head import head_keys, linear_head

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import (
        BlipTextConfig,
        BlipTextModel,
        BlipVisionConfig,
        BlipVisionModel,
        PretrainedConfig,
        PreTrainedModel,
    )

SOURCE = Source(
    "ImageReward v1.0 (ImageReward.pt, or its tensors as safetensors)",
    "https://huggingface.co/zai-org/ImageReward",
)
VISION, TEXT = "blip.visual_encoder.", "blip.text_encoder."
PATCHES, PLACES = f"{VISION}patch_embed.proj.weight", f"{VISION}pos_embed"
WORDS, LENGTH = (f"{TEXT}embeddings.{name}_embeddings.weight" for name in ("word", "position"))
HEAD_PLACES = (0, 2, 4, 6, 7)
KEYS = (PATCHES, PLACES, WORDS, LENGTH, *head_keys("mlp.layers", HEAD_PLACES))
KEYS += (f"{VISION}blocks.0.mlp.fc1.weight", f"{TEXT}encoder.layer.0.intermediate.dense.weight")
# Names in ImageReward's vision tower -> names in BlipVisionModel.
RENAMED = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj": "embeddings.patch_embedding",
    "blocks.": "encoder.layers.",
    "norm1.": "layer_norm1.",
    "norm2.": "layer_norm2.",
    "attn.qkv.": "self_attn.qkv.",
    "attn.proj.": "self_attn.projection.",
}
# [ENC] and [DEC], which the model has but vocab.txt has not.
MORE_WORDS = 2
VOCABULARY = Source(
    "the vocab.txt of bert-base-uncased, next to the weights or in a folder bert-base-uncased",
    "https://huggingface.co/google-bert/bert-base-uncased",
)


def is_image_reward(peek: Peek) -> bool:
    """Whether `load_parts` can load the file."""
    return peek.unknown or peek.has(*KEYS)


def load_parts(path: Path) -> tuple["BlipVisionModel", "BlipTextModel", torch.nn.Sequential]:
    """Load vision tower, text tower and head: float32, frozen, in evaluation mode."""
    from transformers import BlipTextModel, BlipVisionModel

    state = read_state(weights_file(path, SOURCE), SOURCE, *KEYS)
    with building(path, SOURCE):
        configs = vision_config(state), text_config(state)
    vision = _tower(path, BlipVisionModel, configs[0], vision_state(state))
    text = _tower(path, BlipTextModel, configs[1], text_state(state), add_pooling_layer=False)
    with building(path, SOURCE):
        head = linear_head(state, "mlp.layers", HEAD_PLACES)
    return vision, text, head


def _tower(
    path: Path,
    build: type["PreTrainedModel"],
    config: "PretrainedConfig",
    state: Mapping[str, torch.Tensor],
    **options: bool,
) -> "PreTrainedModel":
    check_size(path, SOURCE, lambda: build(config, **options), shapes_in(state))
    with building(path, SOURCE):
        model, report = build.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, **options
        )
    check_complete(path, report["missing_keys"], SOURCE)
    return model.float().eval().requires_grad_(False)


def load_tokenizer(path: Path, words: int, length: int) -> "Tokenizer":
    """Load BERT's tokenizer from the vocab.txt next to the weights.

    Args:
        path: the file or folder of the weights.
        words: number of words of the model.
        length: tokens to which a text is cut or padded.
    """
    from tokenizers import BertWordPieceTokenizer

    folder = path if path.is_dir() else path.parent
    places = (folder / "vocab.txt", folder / "bert-base-uncased" / "vocab.txt")
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise VOCABULARY.error(folder, "has no vocab.txt")
    with reading(file, VOCABULARY):
        tokenizer = BertWordPieceTokenizer.from_file(str(file), lowercase=True)
    count = tokenizer.get_vocab_size()
    if count + MORE_WORDS != words:
        problem = f"has {count} words where ImageReward has {words - MORE_WORDS}"
        raise VOCABULARY.error(file, problem)
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    return tokenizer


def vision_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of the vision tower under the names of BlipVisionModel."""
    renamed = {}
    for key, value in state.items():
        if key.startswith(VISION):
            name = key[len(VISION) :]
            for old, new in RENAMED.items():
                name = name.replace(old, new)
            renamed["post_layer" + name if name.startswith("norm.") else name] = value
    return renamed


def text_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of the text tower under the names of BlipTextModel."""
    return below(state, TEXT)


def vision_config(state: Mapping[str, torch.Tensor]) -> "BlipVisionConfig":
    """The configuration of the vision tower."""
    from transformers import BlipVisionConfig

    width, _, patch, _ = state[PATCHES].shape
    return BlipVisionConfig(
        hidden_size=width,
        intermediate_size=state[f"{VISION}blocks.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=layers(state, f"{VISION}blocks."),
        num_attention_heads=width // 64,
        image_size=patch * math.isqrt(state[PLACES].shape[1] - 1),
        patch_size=patch,
        layer_norm_eps=1e-6,
    )


def text_config(state: Mapping[str, torch.Tensor]) -> "BlipTextConfig":
    """The configuration of the text tower. For cross attention transformers needs a decoder."""
    from transformers import BlipTextConfig

    words, width = state[WORDS].shape
    return BlipTextConfig(
        vocab_size=words,
        hidden_size=width,
        encoder_hidden_size=state[PATCHES].shape[0],
        intermediate_size=state[f"{TEXT}encoder.layer.0.intermediate.dense.weight"].shape[0],
        num_hidden_layers=layers(state, f"{TEXT}encoder.layer."),
        num_attention_heads=width // 64,
        max_position_embeddings=state[LENGTH].shape[0],
        layer_norm_eps=1e-12,
        is_decoder=True,
    )
