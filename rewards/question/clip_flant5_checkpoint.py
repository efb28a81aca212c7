"""CLIP-FlanT5 on disk: a T5, a CLIP vision tower and a projector, in several layouts.

The authors publish a folder of pickles, with a config.json of a type that transformers does not
know. The community has safetensors with other names, which keep one copy of equal tensors. The
shapes of the tensors say what the parts are, so that no config.json is needed.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from ..files.config_sizes import check_size
from ..files.shards import read_all
from ..files.state_dict import below, building, check_complete, layers, shapes_in
from ..files.weights import Peek, Source, look
from .t5_answers import prepare

if TYPE_CHECKING:
    from transformers import CLIPVisionModel, T5Config, T5ForConditionalGeneration

State = dict[str, torch.Tensor]

SOURCE = Source(
    "CLIP-FlanT5 (T5, vision_tower and mm_projector together)",
    "https://huggingface.co/zhiqiulin/clip-flant5-xl",
    ("zhiqiulin/clip-flant5-xl", "zhiqiulin/clip-flant5-xxl"),
)
PROJECTOR = "mm_projector."
LAYOUTS = (("", "vision_tower.vision_tower."), ("t5.", "v."))  # prefixes of T5, of the vision tower
SHARED = ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
QUERY = "encoder.block.0.layer.0.SelfAttention.q.weight"
BIAS = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
INNER = "encoder.block.0.layer.1.DenseReluDense.wi_0.weight"
PATCHES = "vision_model.embeddings.patch_embedding.weight"
POSITIONS = "vision_model.embeddings.position_embedding.weight"
FIRST = "vision_model.encoder.layers.0.mlp.fc1.weight"
NEEDED = (
    (QUERY, BIAS, INNER, "lm_head.weight"),
    (PATCHES, POSITIONS, FIRST),
    ("0.weight", "0.bias", "2.weight", "2.bias"),
)


class Parts(NamedTuple):
    """The tensors of each part, with the keys of the part's class.

    Args:
        t5: of T5ForConditionalGeneration.
        vision: of CLIPVisionModel.
        projector: of the MLP.
    """

    t5: State
    vision: State
    projector: State


def is_clip_flant5(peek: Peek) -> bool:
    """Whether `load_model` can load it, as far as a look shows."""
    if peek.kind:
        return peek.kind == "clip_t5"
    return peek.unknown or any(peek.has(PROJECTOR + "0.weight", t5 + QUERY) for t5, _ in LAYOUTS)


def find_parts(path: Path) -> Parts:
    """The parts of the checkpoint at `path`, a file or a folder."""
    peek = look(path, SOURCE)
    if not is_clip_flant5(peek):
        raise SOURCE.error(path, f"looks like {peek.looks_like()}")
    state = read_all(path, SOURCE)
    tensors = Peek(path, {}, shapes_in(state))
    outer = tensors.prefix(PROJECTOR + "0.weight")
    if outer is None:
        raise SOURCE.error(path, f"looks like {tensors.looks_like()}")
    state = below(state, outer)
    t5, vision = next((pair for pair in LAYOUTS if pair[0] + QUERY in state), LAYOUTS[0])
    parts = Parts(below(state, t5), below(state, vision), below(state, PROJECTOR))
    for part, keys in zip(parts, NEEDED, strict=True):
        check_complete(path, set(keys) - set(part), SOURCE)
    return parts


def t5_config(state: Mapping[str, torch.Tensor]) -> "T5Config":
    """The configuration of a FLAN-T5 with these tensors."""
    from transformers import T5Config

    buckets, heads = state[BIAS].shape
    words, width = state["lm_head.weight"].shape
    return T5Config(
        vocab_size=words,
        d_model=width,
        d_kv=len(state[QUERY]) // heads,
        d_ff=len(state[INNER]),
        num_layers=layers(state, "encoder.block."),
        num_decoder_layers=layers(state, "decoder.block."),
        num_heads=heads,
        relative_attention_num_buckets=buckets,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )


def read_t5(path: Path, state: State) -> "T5ForConditionalGeneration":
    """The T5 with the tensors `state`, which are not copied."""
    from transformers import T5ForConditionalGeneration

    words = next((state[key] for key in (*SHARED, "embed_tokens.weight") if key in state), None)
    if words is None:
        raise SOURCE.error(path, "lacks T5's embeddings (shared.weight)")
    with building(path, SOURCE), torch.device("meta"):
        t5 = T5ForConditionalGeneration(t5_config(state))
    # Every name gets its own tensor, because the model may have tied lm_head to the embeddings.
    state = state | dict.fromkeys(SHARED, words)
    with building(path, SOURCE):
        report = t5.load_state_dict(state, strict=False, assign=True)
    check_complete(path, report.missing_keys, SOURCE)
    prepare(t5)
    return t5


def read_vision(path: Path, state: State) -> "CLIPVisionModel":
    """The vision tower with the tensors `state`: OpenAI's, whose heads are 64 wide."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    with building(path, SOURCE):
        width, _, patch, _ = state[PATCHES].shape
        config = CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=len(state[FIRST]),
            num_hidden_layers=layers(state, "vision_model.encoder.layers."),
            num_attention_heads=width // 64,
            patch_size=patch,
            image_size=patch * math.isqrt(len(state[POSITIONS]) - 1),
            hidden_act="quick_gelu",
        )
    check_size(path, SOURCE, lambda: CLIPVisionModel(config), shapes_in(state))
    with building(path, SOURCE):
        model, report = CLIPVisionModel.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True
        )
    check_complete(path, report["missing_keys"], SOURCE)
    return model


def read_projector(path: Path, state: State) -> torch.nn.Module:
    """The MLP with the tensors `state`."""
    with building(path, SOURCE):
        first, second = (torch.nn.Linear(*state[f"{i}.weight"].shape[::-1]) for i in (0, 2))
        mlp = torch.nn.Sequential(first, torch.nn.GELU(), second)
        mlp.load_state_dict(state)
    return mlp
