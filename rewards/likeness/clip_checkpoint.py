"""Build CLIP, or only its image tower, from a local folder or file. Nothing is downloaded.

A folder has Hugging Face's layout: config.json and weights. A single file holds only a state dict,
in the layout of transformers or of open_clip; the configuration is inferred from the shapes of its
tensors. Weights are safetensors, or pickles read with `weights_only`. Errors are ValueErrors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

from ..files.config_sizes import check_config, check_size
from ..files.json_files import TOKENIZER as TOKENIZER_LIMIT
from ..files.json_files import read_json
from ..files.pretrained import whole_model
from ..files.shards import preloaded_state, shapes_of
from ..files.source import reading
from ..files.state_dict import read_layout, shapes_in
from ..files.weights import Peek, Source, look, single_file
from . import open_clip
from .clip_config import PATCHES, PROJECTION, WORDS, file_config, likely_activation, set_activation
from .prompt_text import cleaned

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
# Further published repositories. People often keep their names for folders.
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
    """Which folders and files a reward can load.

    Args:
        expected: what they should hold, for errors.
        kinds: the `model_type` of a folder, one of these.
        keys: tensors of a file in transformers' layout.
        open_clip: tensors of a file in open_clip's layout.
        width: channels of the embedding, None for any number.
    """

    expected: Source
    kinds: tuple[str, ...]
    keys: tuple[str, ...]
    open_clip: tuple[str, ...]
    width: int | None = None

    def fits(self, peek: Peek) -> bool:
        """Whether the folder or file can be loaded."""
        if peek.kind or peek.unknown:
            right = peek.unknown or peek.kind in self.kinds
        else:
            # An MPS file also holds a CLIP, but training has changed it.
            right = (peek.has(*self.keys) or peek.has(*self.open_clip)) and not peek.has(MPS_KEY)
        return right and (self.width is None or _width(peek) in (None, self.width))


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


def _width(peek: Peek) -> int | None:
    """Channels of the embedding, None if neither tensors nor configuration show them."""
    for key, axis in ((PROJECTION, 0), ("visual.proj", 1)):
        prefix = peek.prefix(key)
        if prefix is not None:
            return peek.shapes[prefix + key][axis]
    return peek.config.get("projection_dim")


class Prepared(NamedTuple):
    """What is needed to build the model.

    Args:
        config: the configuration.
        state: the tensors of a file under transformers' names, None for a folder.
        open_clip: whether the file has open_clip's layout.
    """

    config: "CLIPConfig"
    state: dict[str, torch.Tensor] | None
    open_clip: bool


def load_model(
    path: Path, activation: str = "auto", layouts: Layouts = CLIP
) -> tuple["CLIPModel", bool]:
    """Load a CLIP model.

    Args:
        path: a folder or a file.
        activation: "auto" uses the folder's setting, or `likely_activation` for a file.
        layouts: which folders and files are accepted.

    Returns: the model (float32, frozen, in evaluation mode), and whether it has open_clip's layout.
    """
    from transformers import CLIPModel

    prepared = _prepare(path, activation, layouts)
    model = build_model(CLIPModel, path, layouts.expected, prepared.config, prepared.state)
    return model, prepared.open_clip


def load_image_model(
    path: Path, activation: str = "auto", layouts: Layouts = IMAGE_TOWER
) -> "CLIPVisionModelWithProjection":
    """Load only the image tower of a CLIP model.

    Args:
        path: a folder or a file.
        activation: "auto" uses the folder's setting, or `likely_activation` for a file.
        layouts: which folders and files are accepted.

    Returns: the tower, float32, frozen, in evaluation mode.
    """
    from transformers import CLIPVisionModelWithProjection

    class ImageTower(CLIPVisionModelWithProjection):
        _keys_to_ignore_on_load_unexpected = ("^text_", "^logit_scale")

    config, state, _ = _prepare(path, activation, layouts)
    # In LAION's folders the tower's `projection_dim` is wrong.
    config.vision_config.projection_dim = config.projection_dim
    return build_model(ImageTower, path, layouts.expected, config.vision_config, state)


@dataclass(frozen=True)
class CleaningTokenizer:
    """Cleans a prompt as open_clip does. The names of `ENDS` in a prompt are plain text for it."""

    tokenizer: "CLIPTokenizerFast"

    def __call__(self, text: str, **options: object) -> "BatchEncoding":
        return self.tokenizer(cleaned(text), split_special_tokens=True, **options)


def load_tokenizer(path: Path, fallback: Path | None) -> "CLIPTokenizerFast":
    """The tokenizer in or next to `path`, or else the one in the folder `fallback`.

    A tokenizer next to a file may belong to another model; CLIP's has both `ENDS`. The fast
    tokenizer is the one that PickScore and MPS were trained with. The slow one of transformers 4
    needs ftfy.
    """
    from transformers import CLIPTokenizerFast

    for folder in (path if path.is_dir() else path.parent, fallback):
        if folder is None:
            continue
        with reading(folder, TOKENIZER):
            vocabularies = _vocabularies(folder)
            if vocabularies and all(end in words for end in ENDS for words in vocabularies):
                return CLIPTokenizerFast.from_pretrained(folder, local_files_only=True)
    raise TOKENIZER.error(path, "has no tokenizer")


def _vocabularies(folder: Path) -> list[object]:
    """The vocabularies of the tokenizers in `folder`, in either layout."""
    whole, words = folder / "tokenizer.json", folder / "vocab.json"
    vocabularies = []
    if whole.is_file():
        vocabularies.append(read_json(whole, TOKENIZER_LIMIT)["model"]["vocab"])
    if words.is_file() and (folder / "merges.txt").is_file():
        vocabularies.append(read_json(words, TOKENIZER_LIMIT))
    return vocabularies


def build_model(
    build: type[Model],
    path: Path,
    expected: Source,
    config: "CLIPConfig",
    state: Mapping[str, torch.Tensor] | None,
) -> Model:
    """Build a model from tensors or from a folder: float32, frozen, in evaluation mode.

    Args:
        build: the model's class.
        path: the folder, or the file of `state`.
        expected: what it should hold, for errors.
        config: the model's configuration.
        state: the tensors, None to read them from the folder.
    """
    peek = None if state is not None else look(path, expected)
    shapes = shapes_in(state) if peek is None else shapes_of(path, expected, peek)
    check_size(path, expected, lambda: build(config), shapes)
    state = state if peek is None else preloaded_state(path, expected, peek)
    return whole_model(build, path, expected, config, state)


def _prepare(path: Path, activation: str, layouts: Layouts) -> Prepared:
    file = single_file(path, layouts.expected)
    if file:
        prepared = _prepare_file(file, layouts)
    else:
        prepared = Prepared(_folder_config(path, layouts), None, False)
    config = prepared.config
    if layouts.width not in (None, config.projection_dim):
        problem = f"is a CLIP with embeddings of {config.projection_dim} channels"
        raise layouts.expected.error(path, problem)
    if activation != "auto":
        set_activation(config, activation)
    return prepared


def _folder_config(path: Path, layouts: Layouts) -> "CLIPConfig":
    from transformers import CLIPConfig, CLIPVisionConfig

    peek = look(path, layouts.expected)
    if peek.kind not in layouts.kinds:
        raise layouts.expected.error(path, f'holds a model of type "{peek.kind}"')
    check_config(path, peek.config, layouts.expected, peek)
    with reading(path / "config.json", layouts.expected):
        if peek.kind == "clip":
            return CLIPConfig.from_dict(peek.config_copy())
        vision = CLIPVisionConfig.from_dict(peek.config_copy())
    return CLIPConfig(vision_config=vision.to_dict(), projection_dim=vision.projection_dim)


def _prepare_file(path: Path, layouts: Layouts) -> Prepared:
    """The tensors of a file under transformers' names, and the configuration they imply."""
    number, state = read_layout(path, layouts.expected, layouts.keys, layouts.open_clip)
    if number == 1:
        state = open_clip.from_open_clip(state)
    with reading(path.with_name("open_clip_config.json"), layouts.expected):
        activation = likely_activation(path, state, number == 1)
    try:
        return Prepared(file_config(state, activation), state, number == 1)
    except KeyError as error:
        raise layouts.expected.error(path, f"lacks the tensor {error.args[0]}") from error
    except Exception as error:  # tensors of unexpected shapes
        raise layouts.expected.error(path, f"cannot be loaded ({type(error).__name__})") from error
