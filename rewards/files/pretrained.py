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
    dtype: torch.dtype | None = None,
) -> tuple[Model, dict[str, list[str]]]:
    """The model, and what transformers reports: the keys that it lacks, and those it did not take.

    Args:
        model_class: of transformers.
        path: the folder, or the file of `state`.
        source: what the family loads, for errors.
        config: the model's configuration.
        state: the tensors, None to read them from the folder.
        dtype: of the weights, None for the default of transformers.
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
            **({} if dtype is None else dtype_option(dtype)),
        )
    except OSError as error:
        raise source.error(path, "has no readable weights") from error
    except Exception as error:  # each library that reads weights raises errors of its own
        raise source.error(path, f"cannot be loaded ({type(error).__name__})") from error


def dtype_option(dtype: torch.dtype) -> dict[str, torch.dtype]:
    """The option of `from_pretrained` for a dtype: transformers 5 renamed it."""
    import transformers

    return {"torch_dtype" if transformers.__version__.startswith("4.") else "dtype": dtype}


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
    """The features that a model returns: transformers 5 wraps them, version 4 does not."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output
