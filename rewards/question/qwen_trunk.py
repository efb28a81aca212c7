"""A Qwen-VL as the trunk of a reward: images or videos and text to hidden states.

Rewards trained on it (HPSv3, VideoReward, EditReward) number all tokens in one dimension. So their
decoder is Qwen-VL's without 3-D positions: a plain Qwen2. Sizes are inferred from the shapes of
the tensors, named `visual.*` and `model.*` as in transformers 4.45.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.config_sizes import check_size
from ..files.pretrained import features_of, pretrained
from ..files.small_memory import shrink
from ..files.state_dict import below, building, check_complete, layers, shapes_in
from ..files.weights import Source
from ..memo import Memo
from ..types import Files, check_characters
from .qwen_pixels import FRAMES, MERGE, PATCH

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

TextCache = Memo[tuple[torch.Tensor, ...]]  # of the token ids of prompts

BEFORE = (  # the chat of Qwen2-VL, up to an image or a video
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
)
NEEDED = (
    "visual.patch_embed.proj.weight",
    "model.embed_tokens.weight",
    "model.layers.0.mlp.gate_proj.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.0.self_attn.k_proj.weight",
)
NEEDED_OF = {  # of the vision tower
    "qwen2_vl": ("visual.blocks.0.mlp.fc1.weight",),
    "qwen2_5_vl": ("visual.blocks.0.mlp.gate_proj.weight",),
}
DECODER = {"rms_norm_eps": 1e-6, "rope_theta": 1e6}
HEAD_WIDTH = {"decoder": 128, "vision": 80}  # channels of an attention head


class QwenTrunk(torch.nn.Module):
    """The vision tower, the decoder and what scores its hidden states.

    Args:
        visual: the vision tower.
        model: the decoder.
        rm_head: the reward head or heads, float32.
    """

    def __init__(
        self, visual: "PreTrainedModel", model: "PreTrainedModel", rm_head: torch.nn.Module
    ) -> None:
        super().__init__()
        self.visual, self.model, self.rm_head = visual, model, rm_head

    def see(self, patches: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """The tokens (M, D) of an image or a video, from `qwen_pixels`."""
        place = torch.tensor([grid], device=self.visual.device)
        return features_of(self.visual(patches.to(self.visual.dtype), grid_thw=place))

    def read(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Ids (L,) and tokens (L, D), one part after the other -> hidden states (L, D), float32."""
        words, device = self.model.get_input_embeddings(), self.visual.device
        rows = [part if part.is_floating_point() else words(part.to(device)) for part in parts]
        embeds = torch.cat([row.to(self.visual.dtype) for row in rows])[None]
        return self.model(inputs_embeds=embeds, use_cache=False).last_hidden_state[0].float()


def shrink_trunk(trunk: QwenTrunk, memory: str, files: Files) -> None:
    """Prepare both towers for a setting `memory`; heads stay as they are.

    Args:
        trunk: the model, frozen.
        memory: as in `small_memory`.
        files: may have layers of the host.
    """
    for tower in (trunk.visual, trunk.model):
        shrink(tower, memory, files.streamed)


def load_towers(
    path: Path,
    source: Source,
    state: Mapping[str, torch.Tensor],
    dtype: torch.dtype,
    kind: str = "qwen2_vl",
    **sizes: object,
) -> tuple["PreTrainedModel", "PreTrainedModel"]:
    """The vision tower and the decoder in `state`, which has the tensors `NEEDED`.

    Args:
        path: the file, for errors.
        source: what the family loads, for errors.
        state: tensors by key.
        dtype: of the weights.
        kind: "qwen2_vl" or "qwen2_5_vl".
        sizes: sizes that no shape shows, in place of Qwen's.
    """
    from transformers import Qwen2Model
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as newer
    from transformers.models.qwen2_vl import modeling_qwen2_vl as older

    check_complete(path, {*NEEDED, *NEEDED_OF[kind]} - state.keys(), source)
    tower_class, infer_vision = {
        "qwen2_vl": (older.Qwen2VisionTransformerPretrainedModel, _older_vision),
        "qwen2_5_vl": (newer.Qwen2_5_VisionTransformerPretrainedModel, _newer_vision),
    }[kind]
    with building(path, source):
        vision, text = infer_vision(state, sizes), infer_text_config(state, sizes)
    visual = _load(path, source, tower_class, vision, below(state, "visual."), dtype)
    model = _load(path, source, Qwen2Model, text, below(state, "model."), dtype)
    return visual, model


def _load(
    path: Path,
    source: Source,
    cls: type["PreTrainedModel"],
    config: "PretrainedConfig",
    state: Mapping[str, torch.Tensor],
    dtype: torch.dtype,
) -> "PreTrainedModel":
    check_size(path, source, lambda: cls(config), shapes_in(state))
    model, report = pretrained(cls, path, source, config, state, dtype)
    check_complete(path, report["missing_keys"], source)
    return model


def infer_text_config(
    state: Mapping[str, torch.Tensor], sizes: Mapping[str, object]
) -> "PretrainedConfig":
    """The configuration of the decoder."""
    from transformers import Qwen2Config

    words, width = state["model.embed_tokens.weight"].shape
    layer, head = "model.layers.0.", HEAD_WIDTH["decoder"]
    return Qwen2Config(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=state[layer + "mlp.gate_proj.weight"].shape[0],
        num_hidden_layers=layers(state, "model.layers."),
        num_attention_heads=state[layer + "self_attn.q_proj.weight"].shape[0] // head,
        num_key_value_heads=state[layer + "self_attn.k_proj.weight"].shape[0] // head,
        max_position_embeddings=32768,
        **{name: sizes.get(name, value) for name, value in DECODER.items()},
    )


def _vision(state: Mapping[str, torch.Tensor], sizes: Mapping[str, object]) -> dict[str, int]:
    """The entries that both vision towers have."""
    channels = state["visual.patch_embed.proj.weight"].shape[0]
    return {
        "depth": layers(state, "visual.blocks."),
        "num_heads": sizes.get("num_heads", channels // HEAD_WIDTH["vision"]),
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": FRAMES,
    }


def _older_vision(
    state: Mapping[str, torch.Tensor], sizes: Mapping[str, object]
) -> "PretrainedConfig":
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig

    channels = state["visual.patch_embed.proj.weight"].shape[0]
    return Qwen2VLVisionConfig(
        **_vision(state, sizes),
        embed_dim=channels,
        hidden_size=state["model.embed_tokens.weight"].shape[1],
        mlp_ratio=state["visual.blocks.0.mlp.fc1.weight"].shape[0] // channels,
    )


def _newer_vision(
    state: Mapping[str, torch.Tensor], sizes: Mapping[str, object]
) -> "PretrainedConfig":
    from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig

    return Qwen2_5_VLVisionConfig(
        **_vision(state, sizes),
        hidden_size=state["visual.patch_embed.proj.weight"].shape[0],
        out_hidden_size=state["model.embed_tokens.weight"].shape[1],
        intermediate_size=state["visual.blocks.0.mlp.gate_proj.weight"].shape[0],
        window_size=sizes.get("window_size", 112),
        fullatt_block_indexes=sizes.get("fullatt_block_indexes", [7, 15, 23, 31]),
    )


def qwen_tokenizer(files: Files, name: str) -> "PreTrainedTokenizerBase":
    """The tokenizer `files.tokenizers["qwen"]`; `name` is the reward's, for the error."""
    from transformers import AutoTokenizer

    if "qwen" not in files.tokenizers:
        raise ValueError(f"{name} has no tokenizer: got none, expected the tokenizer of Qwen.")
    folder = files.tokenizers["qwen"]
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def reward_tokens(
    tokenizer: "PreTrainedTokenizerBase",
    names: Sequence[str],
    path: Path,
    words: int,
    source: Source,
) -> list[int]:
    """Ids of the tokens `names` that authors added to Qwen2-VL's.

    Qwen2-VL has no token after <|video_pad|>, so they stand there. Later Qwen tokenizers have more
    tokens.

    Args:
        tokenizer: of Qwen.
        names: in the authors' order.
        path: of the weights, for the error.
        words: how many tokens the weights have.
        source: what the family loads, for the error.
    """
    first = tokenizer.convert_tokens_to_ids("<|video_pad|>") + 1
    ids = [first + i for i in range(len(names))]
    if words <= ids[-1]:
        problem = f"has {words} tokens, too few for {names[-1]}, which is number {ids[-1]}"
        raise source.error(path, problem)
    return ids


def check_text(prompt: str, tokenizer: "PreTrainedTokenizerBase", name: str) -> None:
    """Raise ValueError if a reward cannot read the prompt.

    Args:
        prompt: to be checked.
        tokenizer: of the reward.
        name: of the reward, for the error.
    """
    check_characters(prompt)
    if not prompt.strip():
        raise ValueError(
            f"{name} needs a prompt: got an empty prompt, expected text to judge the image by."
        )
    if commands := [token for token in tokenizer.get_added_vocab() if token in prompt]:
        raise ValueError(
            f"The model reads part of the prompt as a command: got {commands[0]!r}, expected "
            "plain text."
        )


def ids_of(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """The tokens of `text`, with nothing before or after them."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]
