"""Build a SiglipModel, or its vision tower, from a local folder or a single file.

SigLIP and SigLIP 2 of fixed resolution have the same architecture. SigLIP 2 NaFlex has another one
and is refused. A single file holds the model's state dict; the configuration is inferred from the
shapes of its tensors. Errors are ValueErrors.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.config_sizes import check_config, check_size
from ..files.json_files import read_json
from ..files.pretrained import whole_model
from ..files.shards import preloaded_state, shapes_of
from ..files.source import reading
from ..files.state_dict import read_state, shapes_in
from ..files.weights import Peek, Source, look, read_config, single_file

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, SiglipModel, SiglipVisionModel

MODEL = Source(
    "SigLIP or SigLIP 2 in Hugging Face layout (text and vision tower, fixed resolution)",
    "https://huggingface.co/google/siglip2-so400m-patch14-384",
    tuple(
        f"google/{name}-patch{patch}-{size}"
        for name in ("siglip-base", "siglip-large", "siglip2-base", "siglip2-large")
        for patch, size in ((16, 224), (16, 256), (16, 384), (16, 512), (32, 256))
    )
    + tuple(
        f"google/{name}-so400m-patch{patch}-{size}"
        for name in ("siglip", "siglip2")
        for patch, size in ((14, 224), (14, 384), (16, 256), (16, 384), (16, 512))
    ),
)
TOWER = Source(
    "the vision tower of SigLIP so400m-patch14-384, alone or in the whole model",
    "https://huggingface.co/google/siglip-so400m-patch14-384",
)
PATCHES = "vision_model.embeddings.patch_embedding.weight"
PLACES = "vision_model.embeddings.position_embedding.weight"
WORDS = "text_model.embeddings.token_embedding.weight"
LENGTH = "text_model.embeddings.position_embedding.weight"
TOWER_KEYS = (PATCHES, PLACES, "vision_model.encoder.layers.0.mlp.fc1.weight")
TOWER_KEYS += ("vision_model.head.probe",)
KEYS = (*TOWER_KEYS, WORDS, LENGTH, "text_model.encoder.layers.0.mlp.fc1.weight")
KEYS += ("text_model.head.weight", "logit_scale", "logit_bias")
GEMMA_WORDS = 256_000
OTHER_WIDTHS = (768, 1024, 1536)  # of SigLIP base, large and giant
DEFAULTS = {"hidden_size": 768, "image_size": 224, "patch_size": 16}  # a config.json omits these
WIDTH, PATCH_COUNT = 1152, 27**2  # of so400m-patch14-384; so400m also exists in other sizes
# The only published size that is not a multiple of its patch: {(patch, patches per side): pixels}.
ODD_SIZES = {(14, 27): 384}
RESAMPLING = {2: "bilinear", 3: "bicubic"}


def is_siglip(peek: Peek) -> bool:
    """Whether `load_model` can load the folder or file."""
    fits = peek.kind == "siglip" if peek.kind else peek.unknown or peek.has(*KEYS)
    return fits and not _is_naflex(peek)


def is_tower(peek: Peek) -> bool:
    """Whether `load_tower` can load the folder or file.

    Other published towers are refused, as far as their shape shows them. The tower of SigLIP 2 has
    the same shape; only the text tower next to it differs.
    """
    kinds = ("siglip", "siglip_vision_model")
    fits = peek.kind in kinds if peek.kind else peek.unknown or peek.has(*TOWER_KEYS)
    same = vocabulary(peek) < GEMMA_WORDS and not _is_other(*tower_shape(peek))
    return fits and same and not _is_naflex(peek)


def tower_shape(peek: Peek) -> tuple[int, int]:
    """Channels and number of patches of the vision tower, (0, 0) if nothing shows them."""
    prefix = peek.prefix(PLACES)
    if prefix is not None and len(peek.shapes[prefix + PLACES]) == 2:
        return peek.shapes[prefix + PLACES][1], peek.shapes[prefix + PLACES][0]
    vision = peek.config.get("vision_config", peek.config)
    if "siglip" not in peek.kind or not isinstance(vision, Mapping):
        return 0, 0
    width, size, patch = (vision.get(k, default) for k, default in DEFAULTS.items())
    valid = all(isinstance(number, int) and number > 0 for number in (width, size, patch))
    return (width, (size // patch) ** 2) if valid else (0, 0)


def vocabulary(peek: Peek) -> int:
    """Number of words of the text tower, 0 without one. SigLIP 2 has the words of Gemma."""
    if peek.kind:
        text = peek.config.get("text_config")
        return int(text.get("vocab_size", 0)) if isinstance(text, Mapping) else 0
    prefix = peek.prefix(WORDS)
    return 0 if prefix is None else peek.shapes[prefix + WORDS][0]


def resampling(path: Path, words: int) -> str:
    """How images are resized: as the folder `path` says, else as SigLIP or SigLIP 2 does.

    `words` is the size of the vocabulary, which shows whether the model is SigLIP 2.
    """
    file = path / "preprocessor_config.json"
    default = "bilinear" if words >= GEMMA_WORDS else "bicubic"
    if not file.is_file():
        return default
    with reading(file, MODEL):
        return RESAMPLING.get(read_json(file).get("resample"), default)


def load_model(path: Path) -> "SiglipModel":
    """Load both towers: float32, frozen, in evaluation mode."""
    from transformers import SiglipConfig, SiglipModel

    file = _weights_file(path, MODEL, is_siglip)
    if file is None:
        return _build(path, MODEL, SiglipModel)
    state = read_state(file, MODEL, *KEYS)
    return _build(path, MODEL, SiglipModel, SiglipConfig(**infer_config(state)), state)


def load_tower(path: Path) -> "SiglipVisionModel":
    """Load the vision tower: float32, frozen, in evaluation mode."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    class Tower(SiglipVisionModel):
        _keys_to_ignore_on_load_unexpected = (r"^text_model\.", r"^logit_")

    file = _weights_file(path, TOWER, is_tower)
    if file is None:
        return _build(path, TOWER, Tower)
    state = read_state(file, TOWER, *TOWER_KEYS)
    return _build(path, TOWER, Tower, SiglipVisionConfig(**_vision(state)), state)


def infer_config(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, int]]:
    """Arguments of SiglipConfig from the tensors of a SiglipModel."""
    text = _tower(state, "text_model") | {
        "vocab_size": state[WORDS].shape[0],
        "max_position_embeddings": state[LENGTH].shape[0],
        "projection_size": state["text_model.head.weight"].shape[0],
    }
    return {"text_config": text, "vision_config": _vision(state)}


def _vision(state: Mapping[str, torch.Tensor]) -> dict[str, int]:
    patch, side = state[PATCHES].shape[-1], math.isqrt(state[PLACES].shape[0])
    size = ODD_SIZES.get((patch, side), patch * side)
    return _tower(state, "vision_model") | {"patch_size": patch, "image_size": size}


def _tower(state: Mapping[str, torch.Tensor], name: str) -> dict[str, int]:
    """Sizes of one tower. Heads have 64 channels, but there are never more than 16."""
    start = f"{name}.encoder.layers."
    layers = {int(key[len(start) :].split(".")[0]) for key in state if key.startswith(start)}
    inner, width = state[f"{start}0.mlp.fc1.weight"].shape
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": len(layers),
        "num_attention_heads": min(width // 64, 16),
    }


def _is_naflex(peek: Peek) -> bool:
    """Whether patches are embedded by a matrix, as in NaFlex, and not by a convolution."""
    prefix = peek.prefix(PATCHES)
    return prefix is not None and len(peek.shapes[prefix + PATCHES]) == 2


def _is_other(width: int, patches: int) -> bool:
    return width in OTHER_WIDTHS or (width == WIDTH and patches != PATCH_COUNT)


def _weights_file(path: Path, expected: Source, fits: Callable[[Peek], bool]) -> Path | None:
    """The weights file that `path` is or holds, None for a folder with a configuration.

    ValueError unless it fits.
    """
    file = single_file(path, expected)
    peek = look(file or path, expected)
    if not fits(peek):
        raise expected.error(path, f"looks like {_described(peek)}")
    return file


def _described(peek: Peek) -> str:
    """What the folder or file looks like, for an error."""
    if peek.kind == "siglip2" or _is_naflex(peek):
        return "SigLIP 2 NaFlex"
    siglip, (width, patches) = peek.kind == "siglip" or peek.has(*KEYS), tower_shape(peek)
    if siglip and vocabulary(peek) >= GEMMA_WORDS:
        return "SigLIP 2"
    size = f" of {width} channels and {patches} patches" if _is_other(width, patches) else ""
    return peek.looks_like() + size


def _build(
    path: Path,
    expected: Source,
    model_class: "type[PreTrainedModel]",
    config: "PretrainedConfig | None" = None,
    state: dict[str, torch.Tensor] | None = None,
) -> "PreTrainedModel":
    """Build the model from the tensors `state`, or from the folder `path` if they are None."""
    if state is None:
        peek = look(path, expected)
        check_config(path, peek.config, expected, peek)
        shapes, state = shapes_of(path, expected, peek), preloaded_state(path, expected, peek)
        config = _config(path, expected, model_class)
    else:
        shapes = shapes_in(state)
    check_size(path, expected, lambda: model_class(config), shapes)
    return whole_model(model_class, path, expected, config, state)


def _config(
    path: Path, expected: Source, model_class: "type[PreTrainedModel]"
) -> "PretrainedConfig":
    """The folder's configuration for `model_class`, or its "vision_config" for a whole model."""
    settings = read_config(path)
    kind = model_class.config_class
    if settings.get("model_type") != kind.model_type:
        settings = settings.get("vision_config", {})
    with reading(path / "config.json", expected):
        return kind.from_dict(settings)
