"""HPSv3's model, built from the published file: a Qwen2-VL trunk and a reward head on it.

The file holds ``visual.*``, ``model.*``, ``lm_head.*`` (not used) and ``rm_head.{0,3,5}.*`` in the
layout of transformers 4.45; its sizes are read off the shapes of its tensors. The trunk counts all
tokens in one dimension, so that its decoder, a Qwen2-VL's without 3-D positions, is a plain Qwen2.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.config_sizes import check_size
from ..files.state_dict import below, building, check_complete, layers, read_state, shapes_in
from ..files.weights import Peek, Source, weights_file
from ..question.qwen_pixels import FRAMES, MERGE, PATCH

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

SOURCE = Source("HPSv3 (HPSv3.safetensors)", "https://huggingface.co/MizzenAI/HPSv3")
KEYS = ("rm_head.0.weight", "visual.patch_embed.proj.weight", "model.embed_tokens.weight")
NEEDED = (
    "visual.blocks.0.mlp.fc1.weight",
    "model.layers.0.mlp.gate_proj.weight",
    "model.layers.0.self_attn.q_proj.weight",
    "model.layers.0.self_attn.k_proj.weight",
    *(f"rm_head.{i}.{name}" for i in (0, 3, 5) for name in ("weight", "bias")),
)


def is_hps_v3(seen: Peek) -> bool:
    """Whether `load_trunk` may load it."""
    return seen.unknown or (not seen.kind and seen.has(*KEYS))


class HpsV3Trunk(torch.nn.Module):
    """Patches of a picture and tokens -> (mu, s)."""

    def __init__(
        self, visual: "PreTrainedModel", model: "PreTrainedModel", rm_head: torch.nn.Module
    ) -> None:
        super().__init__()
        self.visual, self.model, self.rm_head = visual, model, rm_head

    def forward(
        self, patches: torch.Tensor, grid: tuple[int, int], parts: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Ids before the picture, between it and the reward token, from there on -> (2,)."""
        device, dtype = self.visual.device, self.visual.dtype
        seen = self.visual(patches.to(dtype), grid_thw=torch.tensor([[1, *grid]], device=device))
        seen = seen if isinstance(seen, torch.Tensor) else seen.pooler_output  # transformers 4, 5
        before, between, after = (
            self.model.get_input_embeddings()(ids.to(device)) for ids in parts
        )
        embeds = torch.cat([before, seen.to(dtype), between, after])[None]
        hidden = self.model(inputs_embeds=embeds, use_cache=False).last_hidden_state
        return self.rm_head(hidden[0, -len(after)].float())


def load_trunk(path: Path, dtype: torch.dtype) -> HpsV3Trunk:
    """The model in the file ``path``, frozen, in evaluation mode; its head is float32."""
    from transformers import Qwen2Model
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel

    state = read_state(weights_file(path, SOURCE), SOURCE, *KEYS)
    check_complete(path, set(NEEDED) - state.keys(), SOURCE)
    visual, model, head = (below(state, name) for name in ("visual.", "model.", "rm_head."))
    with building(path, SOURCE):
        sight, text = infer_configs(state)
    visual = _load(path, Qwen2VisionTransformerPretrainedModel, sight, visual, dtype)
    model = _load(path, Qwen2Model, text, model, dtype)
    with building(path, SOURCE):
        rm_head = _head(head)
    return HpsV3Trunk(visual, model, rm_head).eval().requires_grad_(False)


def _load(
    path: Path,
    cls: type["PreTrainedModel"],
    config: "PretrainedConfig",
    state: Mapping[str, torch.Tensor],
    dtype: torch.dtype,
) -> "PreTrainedModel":
    import transformers

    dtypes = {"torch_dtype" if transformers.__version__.startswith("4.") else "dtype": dtype}
    check_size(path, SOURCE, lambda: cls(config), shapes_in(state))
    with building(path, SOURCE):
        model, report = cls.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, **dtypes
        )
    check_complete(path, report["missing_keys"], SOURCE)
    return model


def _head(state: Mapping[str, torch.Tensor]) -> torch.nn.Sequential:
    first, second, third = (
        torch.nn.Linear(*reversed(state[f"{i}.weight"].shape)) for i in (0, 3, 5)
    )
    relu, dropout = torch.nn.ReLU, torch.nn.Dropout  # dropout holds a place, as in the file
    head = torch.nn.Sequential(first, relu(), dropout(), second, relu(), third)
    head.load_state_dict(state)
    return head


def infer_configs(
    state: Mapping[str, torch.Tensor],
) -> tuple["PretrainedConfig", "PretrainedConfig"]:
    """Configurations of the vision tower, whose heads are 80 wide, and the decoder, 128 wide."""
    from transformers import Qwen2Config
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig

    words, width = state["model.embed_tokens.weight"].shape
    layer = "model.layers.0."
    text = Qwen2Config(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=state[layer + "mlp.gate_proj.weight"].shape[0],
        num_hidden_layers=layers(state, "model.layers."),
        num_attention_heads=state[layer + "self_attn.q_proj.weight"].shape[0] // 128,
        num_key_value_heads=state[layer + "self_attn.k_proj.weight"].shape[0] // 128,
        max_position_embeddings=32768,
        rms_norm_eps=1e-6,
        rope_theta=1e6,
    )
    channels = state["visual.patch_embed.proj.weight"].shape[0]
    sight = Qwen2VLVisionConfig(
        depth=layers(state, "visual.blocks."),
        embed_dim=channels,
        hidden_size=width,
        mlp_ratio=state["visual.blocks.0.mlp.fc1.weight"].shape[0] // channels,
        num_heads=channels // 80,
        patch_size=PATCH,
        spatial_merge_size=MERGE,
        temporal_patch_size=FRAMES,
    )
    return sight, text
