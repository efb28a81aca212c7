"""Builds a vision-language model and its processor from a local folder of a type in `KINDS`.

The folder has the Hugging Face layout: config.json, processor, tokenizer and safetensors. A folder
with code of its own is refused, as is a quantised one. Every error is a ValueError.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.broken_files import reason
from ..files.config_sizes import check_all_used, check_config, check_size, entries
from ..files.json_files import plain, read_json
from ..files.pretrained import dtype_option
from ..files.shards import preloaded_state
from ..files.source import reading
from ..files.state_dict import check_complete
from ..files.weights import Peek, Source, code_in, look

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

KINDS = ("llava", "llava_next", "llava_onevision", "paligemma", "smolvlm")
KINDS += ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5")
PAIRS = ("llava_onevision", "smolvlm", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5")
SOURCE = Source(
    "a folder with a vision-language model in safetensors (Qwen2-VL to Qwen3.5, SmolVLM2, "
    "PaliGemma or LLaVA, in Hugging Face layout)",
    "https://huggingface.co/Qwen/Qwen3-VL-2B-Instruct",
    (
        *(f"Qwen/Qwen2-VL-{size}-Instruct" for size in ("2B", "7B", "72B")),
        *(f"Qwen/Qwen2.5-VL-{size}-Instruct" for size in ("3B", "7B", "32B", "72B")),
        *(f"Qwen/Qwen3-VL-{size}-Instruct" for size in ("2B", "4B", "8B", "32B")),
        *(f"HuggingFaceTB/SmolVLM2-{size}-Instruct" for size in ("256M-Video", "500M-Video")),
        *("HuggingFaceTB/SmolVLM2-2.2B-Instruct", "llava-hf/llava-1.5-7b-hf"),
        *("llava-hf/llava-1.5-13b-hf", "google/paligemma-3b-mix-224"),
    ),
)
LOCAL = {"local_files_only": True, "trust_remote_code": False}  # for transformers
SIDE = 4096  # largest side of an image that a processor may ask for, in pixels
# Entries of a processor's configuration about sizes, and their limits. Those of Qwen's processors
# are the least and the most pixels of the whole image.
SIDES = {"height": SIDE, "width": SIDE, "shortest_edge": 2**22, "longest_edge": 2**25}
SIDES |= {"min_pixels": 2**22, "max_pixels": 2**25, "patch_size": SIDE, "merge_size": SIDE}
SIDES |= {"size": SIDE, "crop_size": SIDE}


def is_vlm(peek: Peek) -> bool:
    """Whether `load_model` can load it, as far as a look shows."""
    return peek.kind in KINDS and peek.shapes is not None and _refusal(peek) is None


def _refusal(peek: Peek) -> str | None:
    """Why a folder of a known kind cannot be loaded, None if it can."""
    if peek.quantised:
        return f"is quantised ({peek.quantised})"
    if any(key.startswith("rm_head") for key in peek.shapes or ()):
        return "has a reward head, and does not answer questions"
    for file in (peek.path / "config.json", *sorted(peek.path.glob("*_config.json"))):
        try:
            config = read_json(file)
        except ValueError as error:
            return f"has a {file.name} that cannot be read ({reason(file, error)})"
        if isinstance(config, dict) and (code := code_in(config)):
            return f"asks to run code of its own ({code} in {file.name})"
    return None


def _check_image_size(path: Path, kind: str) -> None:
    """Raise ValueError if the processor in `path` asks for images of absurd size."""
    for file in (path / name for name in ("preprocessor_config.json", "processor_config.json")):
        if not file.is_file():
            continue
        with reading(file, SOURCE):
            sizes = list(entries(read_json(file)))
        for place, number in sizes:
            name = place.rpartition(".")[2]
            if name not in SIDES or not isinstance(number, int | float):
                continue
            most = SIDES[name] if "pixels" in name or kind.startswith("qwen") else SIDE
            if not (type(number) is int and 0 < number <= most):
                problem = f"asks for {place} {number!r}, not a whole number from 1 to {most:,}"
                raise SOURCE.error(file, problem)


def check_pairs(path: Path) -> None:
    """Raise ValueError unless the model in `path` was trained on several images at a time."""
    if (kind := look(path, SOURCE).kind) not in PAIRS:
        raise ValueError(
            f"The model does not compare two images: got {kind}, expected one of "
            f"{', '.join(PAIRS)}. Disconnect `source`, or choose another model."
        )


def _fast() -> dict[str, object]:
    """The option that selects an image processor of torchvision, not of PIL and numpy."""
    backends = importlib.util.find_spec("transformers.image_processing_backends")
    return {"backend": "torchvision"} if backends else {"use_fast": True}


def keeps_gradients(processor: "ProcessorMixin") -> bool:
    """Whether its images have gradients, as with torchvision; SmolVLM needs transformers 4.53."""
    with torch.inference_mode(False), torch.enable_grad():
        probe = torch.zeros(3, 56, 56, requires_grad=True)
        try:
            made = processor.image_processor([probe], do_rescale=False, return_tensors="pt")
        except RuntimeError:  # "Can't call numpy() on Tensor that requires grad"
            return False
    return made["pixel_values"].requires_grad


@contextlib.contextmanager
def _no_num2words() -> Iterator[None]:
    """Load SmolVLM's processor without the package num2words, which only its videos need."""
    from transformers.models.smolvlm import processing_smolvlm

    original = processing_smolvlm.num2words
    processing_smolvlm.num2words = original or str
    try:
        yield
    finally:
        processing_smolvlm.num2words = original


def load_model(path: Path, dtype: torch.dtype) -> tuple["PreTrainedModel", "ProcessorMixin"]:
    """The model in the folder `path`, frozen, in evaluation mode, and its processor."""
    import transformers

    peek = _checked(path)
    with reading(path, SOURCE):
        config = transformers.CONFIG_MAPPING[peek.kind].from_dict(peek.config_copy())
    model_class = transformers.AutoModelForImageTextToText._model_mapping[type(config)]
    check_size(path, SOURCE, lambda: model_class(config), dict(peek.shapes))
    state = preloaded_state(path, SOURCE, peek)
    with _loading(path):
        processor = _processor(path, peek.kind)
        model, report = model_class.from_pretrained(
            path if state is None else None,
            config=config,
            state_dict=state,
            use_safetensors=state is None,
            output_loading_info=True,
            **dtype_option(dtype),
            **LOCAL,
        )
    check_complete(path, report["missing_keys"], SOURCE)
    check_all_used(path, SOURCE, model, report["unexpected_keys"])
    if not (template_of(processor) or peek.kind == "paligemma"):
        raise SOURCE.error(path, "has no chat template")
    return model.eval().requires_grad_(False), processor


def _checked(path: Path) -> Peek:
    """What the folder `path` holds; ValueError if it cannot be loaded."""
    peek = look(path, SOURCE)
    if peek.kind not in KINDS:
        raise SOURCE.error(path, f"looks like {peek.looks_like()}")
    problem = _refusal(peek) or (None if peek.shapes else "has no safetensors")
    if problem:
        raise SOURCE.error(path, problem)
    check_config(path, peek.config, SOURCE, peek)
    _check_image_size(path, peek.kind)
    return peek


@contextlib.contextmanager
def _loading(path: Path) -> Iterator[None]:
    """Turn any failure inside into the error that the folder cannot be loaded."""
    try:
        yield
    except Exception as error:  # of many kinds, by what is missing or broken
        reported = str(error).strip().split("\n")[0].rstrip(".")
        raise SOURCE.error(path, f"cannot be loaded ({reported})") from error


def _processor(path: Path, kind: str) -> "ProcessorMixin":
    import transformers

    with _no_num2words() if kind == "smolvlm" else contextlib.nullcontext():
        with plain(path) as folder:
            return transformers.AutoProcessor.from_pretrained(folder, **_fast(), **LOCAL)


def template_of(processor: "ProcessorMixin") -> str | None:
    """The processor's chat template, or its tokenizer's."""
    return processor.chat_template or processor.tokenizer.chat_template


def image_token_of(processor: "ProcessorMixin") -> str:
    """The token of an image in a text. In transformers 4.50 PaliGemma's processor names none."""
    return str(getattr(processor, "image_token", "<image>"))
