"""The image part of a chat, computed once for several questions about the image.

A chat is a head, which ends with the image, and a tail with the question and the beginning of the
answer. A causal model computes the head once and keeps its keys and values; each tail goes on from
them. The logits are those of the whole chat, but for rounding, and so are their gradients.
"""

import copy
import inspect
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import BatchFeature, PreTrainedModel

# PaliGemma looks at the whole question from the image, and Qwen3.5 keeps a state in place of keys.
KINDS = ("llava", "llava_next", "llava_onevision", "smolvlm", "qwen2_vl", "qwen2_5_vl", "qwen3_vl")


def can_share(model: "PreTrainedModel") -> bool:
    """Whether the model is causal, in a version of transformers that places tails by themselves."""
    import transformers

    return model.config.model_type in KINDS and not transformers.__version__.startswith("4.")


def shared_logits(
    model: "PreTrainedModel", inputs: "BatchFeature", tails: list[list[int]]
) -> list[torch.Tensor]:
    """Logits (V,) of the answer's first token, for each tail.

    Args:
        model: one that `can_share`.
        inputs: of the chat with the first tail.
        tails: tokens after the image, of each question.
    """
    from transformers import DynamicCache

    length = inputs["input_ids"].shape[1]
    head = length - len(tails[0])
    takes = inspect.signature(model.forward).parameters
    options = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
    place = "cache" if "cache" in takes else "past_key_values"  # its older name
    cut = {name: _cut(value, length, head) for name, value in inputs.items()}
    kept = DynamicCache(config=model.config.get_text_config())
    model(**cut, **options, **{place: kept}, use_cache=True)
    logits = []
    for tail in tails:
        ids = torch.tensor([tail], device=inputs["input_ids"].device)
        # Without a mask, Qwen's models place the tail behind the tokens that they keep.
        made = model(input_ids=ids, **options, **{place: _twin(kept)}, use_cache=True)
        logits.append(made.logits[0, -1])
    return logits


def _cut(value: Any, length: int, head: int) -> Any:
    """The part of an input that belongs to the head, if it has one value for each token."""
    by_token = isinstance(value, torch.Tensor) and value.shape[1:] == (length,)
    return value[:, :head] if by_token else value


def _twin(cache: Any) -> Any:
    """A copy that grows by itself. The tensors are shared: a layer replaces them as it grows."""
    twin = copy.copy(cache)
    for name, value in vars(cache).items():
        if isinstance(value, list):
            setattr(twin, name, [copy.copy(layer) for layer in value])
    return twin
