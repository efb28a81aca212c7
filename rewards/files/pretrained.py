"""A model of transformers, from tensors or from a local folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from .config_sizes import check_all_used
from .source import Source
from .state_dict import check_complete
from .weights import has_safetensors

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Model = TypeVar("Model", bound=torch.nn.Module)


def pretrained(
    model_class: type[Model],
    path: Path,
    source: Source,
    config: "PretrainedConfig",
    state: Mapping[str, torch.Tensor] | None,
    **options: object,
) -> tuple[Model, dict[str, list[str]]]:
    """The model, and which of its tensors are missing and which of the file's it did not take.

    Args:
        model_class: of transformers.
        path: the folder, or the file of `state`.
        source: what the family loads, for errors.
        config: the model's configuration.
        state: the tensors, None to read them from the folder.
        options: further ones of `from_pretrained`.
    """
    try:
        return model_class.from_pretrained(
            path if state is None else None,
            config=config,
            state_dict=state,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=state is None and has_safetensors(path),
            output_loading_info=True,
            **options,
        )
    except Exception as error:  # each library that reads weights raises errors of its own
        raise source.error(path, f"cannot be loaded ({type(error).__name__})") from error


def whole_model(
    model_class: type[Model],
    path: Path,
    source: Source,
    config: "PretrainedConfig",
    state: Mapping[str, torch.Tensor] | None,
) -> Model:
    """As `pretrained`, with all its tensors: float32, frozen, in evaluation mode.

    Args:
        model_class: of transformers.
        path: the folder, or the file of `state`.
        source: what the family loads, for errors.
        config: the model's configuration.
        state: the tensors, None to read them from the folder.
    """
    model, report = pretrained(model_class, path, source, config, state)
    check_complete(path, report["missing_keys"], source)
    check_all_used(path, source, model, report["unexpected_keys"])
    return model.float().eval().requires_grad_(False)


def features_of(output: object) -> torch.Tensor:
    """The features a model gives: transformers 5 wraps them, 4 returns the tensor itself."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output
