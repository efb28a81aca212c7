"""Builds CLIP, or its image tower alone, from a local folder or file; nothing is ever downloaded.

A folder is a Hugging Face one: config.json and weights. A single file holds a state dict alone, in
the layout of transformers or of open_clip; its configuration is read off the shapes of its tensors.
Weights are safetensors, or pickles read with ``weights_only``. Every error is a ValueError of one
sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

from ..files.config_sizes import check_all_used, check_config, check_size
from ..files.json_files import TOKENIZER as TOKENIZER_LIMIT
from ..files.json_files import read_json
from ..files.shards import preloaded_state, shapes_of
from ..files.source import reading
from ..files.state_dict import check_complete, read_layout, shapes_in
from ..files.weights import Peek, Source, has_safetensors, look, single_file
from ..prompt_text import cleaned
from . import open_clip
from .clip_config import PATCHES, PROJECTION, WORDS, file_config, own_activation, set_activation

if TYPE_CHECKING:
    from transformers import (
        BatchEncoding,
        CLIPConfig,
        CLIPModel,
        CLIPTokenizerFast,
        CLIPVisionModelWithProjection,
    )

Model = TypeVar("Model", "CLIPModel", "CLIPVisionModelWithProjection")

PAGE = "https://huggingface.co/openai/clip-vit-large-patch14"
# What else is published of it, by the names that people keep.
REPOSITORIES = (
    "yuvalkirstain/PickScore_v1",
    *(f"openai/clip-vit-{name}" for name in ("base-patch16", "base-patch32")),
    *(f"openai/clip-vit-{name}" for name in ("large-patch14", "large-patch14-336")),
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    "laion/CLIP-ViT-g-14-laion2B-s34B-b88K",
    "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
    "facebook/metaclip-b32-400m",
    "facebook/metaclip-l14-fullcc2.5b",
    "facebook/metaclip-h14-fullcc2.5b",
)
TOKENIZER = Source("a tokenizer of CLIP (vocab.json and merges.txt, or tokenizer.json)", PAGE)
ENDS = ("<|startoftext|>", "<|endoftext|>")
MPS_KEY = "cross_model.layers.0.0.fn.to_q.weight"


@dataclass(frozen=True)
class Layouts:
    """What is wanted, as an error says it, and what it is known by: a folder by ``kinds``, a file
    by its keys in the layout of transformers or of open_clip; ``width`` is of the embedding.
    """

    source: Source
    kinds: tuple[str, ...]
    keys: tuple[str, ...]
    open_clip: tuple[str, ...]
    width: int | None = None

    def fits(self, seen: Peek) -> bool:
        """Whether it may be loaded."""
        if seen.kind or seen.unknown:
            known = seen.unknown or seen.kind in self.kinds
        else:
            # An MPS holds a CLIP, but one that its own training has changed.
            known = (seen.has(*self.keys) or seen.has(*self.open_clip)) and not seen.has(MPS_KEY)
        return known and (self.width is None or _width(seen) in (None, self.width))


CLIP = Layouts(
    Source("a CLIP model, text and image towers, of transformers or open_clip", PAGE, REPOSITORIES),
    ("clip",),
    (PATCHES, PROJECTION, WORDS, "text_projection.weight", "logit_scale"),
    open_clip.KEYS,
)
IMAGE_TOWER = Layouts(
    Source("a CLIP model, or its image tower with the projection", PAGE, REPOSITORIES),
    ("clip", "clip_vision_model"),
    (PATCHES, PROJECTION),
    open_clip.IMAGE_KEYS,
)


def _width(seen: Peek) -> int | None:
    """Channels of the embedding, None if they cannot be told."""
    for key, axis in ((PROJECTION, 0), ("visual.proj", 1)):
        prefix = seen.prefix(key)
        if prefix is not None:
            return seen.shapes[prefix + key][axis]
    return seen.config.get("projection_dim")


class Prepared(NamedTuple):
    """A configuration, a file's tensors, None of a folder, and whether they came as open_clip's."""

    config: "CLIPConfig"
    state: dict[str, torch.Tensor] | None
    open_clip: bool


def load_model(
    path: Path, activation: str = "auto", layouts: Layouts = CLIP
) -> tuple["CLIPModel", bool]:
    """The model at ``path``, float32, frozen, in evaluation mode, and whether it is open_clip's.

    ``activation`` "auto" takes the folder's own, or of a file the likely one: `own_activation`.
    """
    from transformers import CLIPModel

    found = _prepare(path, activation, layouts)
    model = build_model(CLIPModel, path, layouts.source, found.config, found.state)
    return model, found.open_clip


def load_image_model(
    path: Path, activation: str = "auto", layouts: Layouts = IMAGE_TOWER
) -> "CLIPVisionModelWithProjection":
    """As `load_model`, the image tower alone."""
    from transformers import CLIPVisionModelWithProjection

    class ImageTower(CLIPVisionModelWithProjection):
        _keys_to_ignore_on_load_unexpected = ("^text_", "^logit_scale")

    config, state, _ = _prepare(path, activation, layouts)
    # The tower's own projection_dim is wrong in LAION's folders.
    config.vision_config.projection_dim = config.projection_dim
    return build_model(ImageTower, path, layouts.source, config.vision_config, state)


@dataclass(frozen=True)
class CleaningTokenizer:
    """Cleans a prompt as open_clip does, which knows no tokens by the names of ``ENDS``."""

    tokenizer: "CLIPTokenizerFast"

    def __call__(self, text: str, **options: object) -> "BatchEncoding":
        return self.tokenizer(cleaned(text), split_special_tokens=True, **options)


def load_tokenizer(path: Path, fallback: Path | None) -> "CLIPTokenizerFast":
    """The tokenizer in or beside ``path``, or else the one in the folder ``fallback``.

    What lies beside a file may be another model's: CLIP's has both ``ENDS``. It is the one that
    PickScore and MPS were made with: the other one of transformers 4 asks for ftfy to be installed.
    """
    from transformers import CLIPTokenizerFast

    for folder in (path if path.is_dir() else path.parent, fallback):
        if folder is None:
            continue
        with reading(folder, TOKENIZER):
            found = _vocabularies(folder)
            if found and all(end in words for end in ENDS for words in found):
                return CLIPTokenizerFast.from_pretrained(folder, local_files_only=True)
    raise TOKENIZER.error(path, "has no tokenizer")


def _vocabularies(folder: Path) -> list[object]:
    """Of the tokenizers in ``folder``, in either layout."""
    whole, words = folder / "tokenizer.json", folder / "vocab.json"
    found = []
    if whole.is_file():
        found.append(read_json(whole, TOKENIZER_LIMIT)["model"]["vocab"])
    if words.is_file() and (folder / "merges.txt").is_file():
        found.append(read_json(words, TOKENIZER_LIMIT))
    return found


def build_model(
    build: type[Model],
    path: Path,
    source: Source,
    config: "CLIPConfig",
    state: Mapping[str, torch.Tensor] | None,
) -> Model:
    """A model with the tensors ``state``, or if it is None, with those in the folder ``path``."""
    seen = None if state is not None else look(path, source)
    shapes = shapes_in(state) if seen is None else shapes_of(path, source, seen)
    check_size(path, source, lambda: build(config), shapes)
    state = state if seen is None else preloaded_state(path, source, seen)
    try:
        model, report = build.from_pretrained(
            path if state is None else None,
            config=config,
            state_dict=state,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=state is None and has_safetensors(path),
            output_loading_info=True,
        )
    except OSError as error:
        raise source.error(path, "has no readable weights") from error
    except Exception as error:
        raise source.error(path, f"cannot be loaded ({type(error).__name__})") from error
    check_complete(path, report["missing_keys"], source)
    check_all_used(path, source, model, report["unexpected_keys"])
    return model.float().eval().requires_grad_(False)


def _prepare(path: Path, activation: str, layouts: Layouts) -> Prepared:
    file = single_file(path, layouts.source)
    found = _file(file, layouts) if file else Prepared(_folder_config(path, layouts), None, False)
    config = found.config
    if layouts.width not in (None, config.projection_dim):
        problem = f"is a CLIP with embeddings of {config.projection_dim} channels"
        raise layouts.source.error(path, problem)
    if activation != "auto":
        set_activation(config, activation)
    return found


def _folder_config(path: Path, layouts: Layouts) -> "CLIPConfig":
    from transformers import CLIPConfig, CLIPVisionConfig

    seen = look(path, layouts.source)
    if seen.kind not in layouts.kinds:
        raise layouts.source.error(path, f'holds a model of type "{seen.kind}"')
    check_config(path, seen.config, layouts.source, seen)
    with reading(path / "config.json", layouts.source):
        if seen.kind == "clip":
            return CLIPConfig.from_dict(seen.config_copy())
        vision = CLIPVisionConfig.from_dict(seen.config_copy())
    return CLIPConfig(vision_config=vision.to_dict(), projection_dim=vision.projection_dim)


def _file(path: Path, layouts: Layouts) -> Prepared:
    """The configuration that a file's tensors tell, and these, named as transformers does."""
    number, state = read_layout(path, layouts.source, layouts.keys, layouts.open_clip)
    if number == 1:
        state = open_clip.from_open_clip(state)
    with reading(path.with_name("open_clip_config.json"), layouts.source):
        activation = own_activation(path, state, number == 1)
    try:
        return Prepared(file_config(state, activation), state, number == 1)
    except KeyError as error:
        raise layouts.source.error(path, f"lacks the tensor {error.args[0]}") from error
    except Exception as error:  # of tensors of other shapes
        raise layouts.source.error(path, f"cannot be loaded ({type(error).__name__})") from error
