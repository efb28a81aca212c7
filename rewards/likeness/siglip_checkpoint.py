"""Builds a SiglipModel, or its vision tower, from a local folder or a single file.

SigLIP and SigLIP 2 of fixed resolution are the same architecture; SigLIP 2 NaFlex is another one
and is refused. A single file holds the model's state dict; its configuration is read off the shapes
of its tensors. Every error is a ValueError of one sentence.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.config_sizes import check_all_used, check_config, check_size
from ..files.json_files import read_json
from ..files.shards import preloaded_state, shapes_of
from ..files.source import reading
from ..files.state_dict import check_complete, read_state, shapes_in
from ..files.weights import Peek, Source, has_safetensors, look, read_config, single_file

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
DEFAULTS = {"hidden_size": 768, "image_size": 224, "patch_size": 16}  # not written out
WIDTH, PATCH_COUNT = 1152, 27**2  # of so400m-patch14-384, which there is at other sizes too
# The one published size that is no multiple of its patch: {(patch, patches a side): pixels}.
ODD_SIZES = {(14, 27): 384}
RESAMPLING = {2: "bilinear", 3: "bicubic"}


def is_siglip(seen: Peek) -> bool:
    """Whether `load_model` may load it."""
    fits = seen.kind == "siglip" if seen.kind else seen.unknown or seen.has(*KEYS)
    return fits and not _is_naflex(seen)


def is_tower(seen: Peek) -> bool:
    """Whether `load_tower` may load it: no other tower that is published, where that can be told.

    That of SigLIP 2 has the same shape, and is told by the text tower beside it.
    """
    kinds = ("siglip", "siglip_vision_model")
    fits = seen.kind in kinds if seen.kind else seen.unknown or seen.has(*TOWER_KEYS)
    same = vocabulary(seen) < GEMMA_WORDS and not _is_other(*tower_shape(seen))
    return fits and same and not _is_naflex(seen)


def tower_shape(seen: Peek) -> tuple[int, int]:
    """Channels and patches of the vision tower, (0, 0) if they cannot be told."""
    prefix = seen.prefix(PLACES)
    if prefix is not None and len(seen.shapes[prefix + PLACES]) == 2:
        return seen.shapes[prefix + PLACES][1], seen.shapes[prefix + PLACES][0]
    vision = seen.config.get("vision_config", seen.config)
    if "siglip" not in seen.kind or not isinstance(vision, Mapping):
        return 0, 0
    width, size, patch = (vision.get(k, default) for k, default in DEFAULTS.items())
    known = all(isinstance(number, int) and number > 0 for number in (width, size, patch))
    return (width, (size // patch) ** 2) if known else (0, 0)


def vocabulary(seen: Peek) -> int:
    """Number of words of the text tower, 0 if there is none; SigLIP 2 has those of Gemma."""
    if seen.kind:
        text = seen.config.get("text_config")
        return int(text.get("vocab_size", 0)) if isinstance(text, Mapping) else 0
    prefix = seen.prefix(WORDS)
    return 0 if prefix is None else seen.shapes[prefix + WORDS][0]


def resampling(path: Path, words: int) -> str:
    """How pictures are resized: as the folder ``path`` says, else as published with ``words``."""
    file = path / "preprocessor_config.json"
    own = "bilinear" if words >= GEMMA_WORDS else "bicubic"
    if not file.is_file():
        return own
    with reading(file, MODEL):
        return RESAMPLING.get(read_json(file).get("resample"), own)


def load_model(path: Path) -> "SiglipModel":
    """Both towers, float32, frozen, in evaluation mode."""
    from transformers import SiglipConfig, SiglipModel

    file = _checked(path, MODEL, is_siglip)
    if file is None:
        return _built(path, MODEL, SiglipModel)
    state = read_state(file, MODEL, *KEYS)
    return _built(path, MODEL, SiglipModel, SiglipConfig(**infer_config(state)), state)


def load_tower(path: Path) -> "SiglipVisionModel":
    """The vision tower, float32, frozen, in evaluation mode."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    class Tower(SiglipVisionModel):
        _keys_to_ignore_on_load_unexpected = (r"^text_model\.", r"^logit_")

    file = _checked(path, TOWER, is_tower)
    if file is None:
        return _built(path, TOWER, Tower)
    state = read_state(file, TOWER, *TOWER_KEYS)
    return _built(path, TOWER, Tower, SiglipVisionConfig(**_vision(state)), state)


def infer_config(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, int]]:
    """SiglipConfig arguments from a SiglipModel's tensors."""
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
    """Heads are 64 wide, but there are never more than 16."""
    start = f"{name}.encoder.layers."
    layers = {int(key[len(start) :].split(".")[0]) for key in state if key.startswith(start)}
    inner, width = state[f"{start}0.mlp.fc1.weight"].shape
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": len(layers),
        "num_attention_heads": min(width // 64, 16),
    }


def _is_naflex(seen: Peek) -> bool:
    """NaFlex embeds patches by a matrix, not by a convolution."""
    prefix = seen.prefix(PATCHES)
    return prefix is not None and len(seen.shapes[prefix + PATCHES]) == 2


def _is_other(width: int, patches: int) -> bool:
    return width in OTHER_WIDTHS or (width == WIDTH and patches != PATCH_COUNT)


def _checked(path: Path, source: Source, fits: Callable[[Peek], bool]) -> Path | None:
    """The weights file that ``path`` is or holds, None of a folder with its configuration."""
    file = single_file(path, source)
    seen = look(file or path, source)
    if not fits(seen):
        raise source.error(path, f"looks like {_described(seen)}")
    return file


def _described(seen: Peek) -> str:
    if seen.kind == "siglip2" or _is_naflex(seen):
        return "SigLIP 2 NaFlex"
    siglip, (width, patches) = seen.kind == "siglip" or seen.has(*KEYS), tower_shape(seen)
    if siglip and vocabulary(seen) >= GEMMA_WORDS:
        return "SigLIP 2"
    other = f" of {width} channels and {patches} patches" if _is_other(width, patches) else ""
    return seen.looks_like() + other


def _built(
    path: Path,
    source: Source,
    model_class: "type[PreTrainedModel]",
    config: "PretrainedConfig | None" = None,
    state: dict[str, torch.Tensor] | None = None,
) -> "PreTrainedModel":
    """The model of ``state``, or without one of the folder ``path``."""
    if state is None:
        seen = look(path, source)
        check_config(path, seen.config, source, seen)
        shapes, state = shapes_of(path, source, seen), preloaded_state(path, source, seen)
        config = _config(path, source, model_class)
    else:
        shapes = shapes_in(state)
    check_size(path, source, lambda: model_class(config), shapes)
    try:
        model, report = model_class.from_pretrained(
            path if state is None else None,
            config=config,
            state_dict=state,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=state is None and has_safetensors(path),
            output_loading_info=True,
        )
    except Exception as error:  # a file of any kind may lie there
        raise source.error(path, f"has no weights that fit ({type(error).__name__})") from error
    check_complete(path, report["missing_keys"], source)
    check_all_used(path, source, model, report["unexpected_keys"])
    return model.float().eval().requires_grad_(False)


def _config(path: Path, source: Source, model_class: "type[PreTrainedModel]") -> "PretrainedConfig":
    """The folder's configuration, or of a whole model its part for ``model_class``."""
    told = read_config(path)
    kind = model_class.config_class
    if told.get("model_type") != kind.model_type:
        told = told.get("vision_config", {})
    with reading(path / "config.json", source):
        return kind.from_dict(told)
