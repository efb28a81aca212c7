"""HPSv3's model, built from the published file: a Qwen2-VL trunk with a reward head.

The file holds `visual.*`, `model.*`, `lm_head.*` (not used) and `rm_head.{0,3,5}.*` in the
layout of transformers 4.45. Sizes are inferred from the shapes of its tensors. The trunk numbers
all tokens in one dimension. Its decoder is Qwen2-VL's without 3-D positions: a plain Qwen2.
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


def is_hps_v3(peek: Peek) -> bool:
    """Whether `load_trunk` can load the file."""
    return peek.unknown or (not peek.kind and peek.has(*KEYS))


class HpsV3Trunk(torch.nn.Module):
    """Patches of an image and tokens -> (mu, s).

    Args:
        visual: the vision tower.
        model: the decoder.
        rm_head: hidden state (D,) -> (2,), float32.
    """

    def __init__(
        self, visual: "PreTrainedModel", model: "PreTrainedModel", rm_head: torch.nn.Module
    ) -> None:
        super().__init__()
        self.visual, self.model, self.rm_head = visual, model, rm_head

    def forward(
        self, patches: torch.Tensor, grid: tuple[int, int], parts: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Score one image.

        Args:
            patches: the image, (N, D).
            grid: rows and columns of patches.
            parts: token ids before the image, between it and the reward token, from there on.

        Returns: (mu, s), shape (2,).
        """
        device, dtype = self.visual.device, self.visual.dtype
        image = self.visual(patches.to(dtype), grid_thw=torch.tensor([[1, *grid]], device=device))
        # transformers 5 wraps the tokens; transformers 4 returns the tensor itself.
        image = image if isinstance(image, torch.Tensor) else image.pooler_output
        before, between, after = (
            self.model.get_input_embeddings()(ids.to(device)) for ids in parts
        )
        embeds = torch.cat([before, image.to(dtype), between, after])[None]
        hidden = self.model(inputs_embeds=embeds, use_cache=False).last_hidden_state
        return self.rm_head(hidden[0, -len(after)].float())


def load_trunk(path: Path, dtype: torch.dtype) -> HpsV3Trunk:
    """The model in the file `path`: frozen, in evaluation mode, with a float32 head."""
    from transformers import Qwen2Model
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel

    state = read_state(weights_file(path, SOURCE), SOURCE, *KEYS)
    check_complete(path, set(NEEDED) - state.keys(), SOURCE)
    visual, model, head = (below(state, name) for name in ("visual.", "model.", "rm_head."))
    with building(path, SOURCE):
        vision_config, text_config = infer_vision_config(state), infer_text_config(state)
    visual = _load(path, Qwen2VisionTransformerPretrainedModel, vision_config, visual, dtype)
    model = _load(path, Qwen2Model, text_config, model, dtype)
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
    relu, dropout = torch.nn.ReLU, torch.nn.Dropout  # dropout keeps the numbers as in the file
    head = torch.nn.Sequential(first, relu(), dropout(), second, relu(), third)
    head.load_state_dict(state)
    return head


def infer_text_config(state: Mapping[str, torch.Tensor]) -> "PretrainedConfig":
    """The configuration of the decoder, whose attention heads have 128 channels."""
    from transformers import Qwen2Config

    words, width = state["model.embed_tokens.weight"].shape
    layer = "model.layers.0."
    return Qwen2Config(
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


def infer_vision_config(state: Mapping[str, torch.Tensor]) -> "PretrainedConfig":
    """The configuration of the vision tower, whose attention heads have 80 channels."""
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig

    channels = state["visual.patch_embed.proj.weight"].shape[0]
    return Qwen2VLVisionConfig(
        depth=layers(state, "visual.blocks."),
        embed_dim=channels,
        hidden_size=state["model.embed_tokens.weight"].shape[1],
        mlp_ratio=state["visual.blocks.0.mlp.fc1.weight"].shape[0] // channels,
        num_heads=channels // 80,
        patch_size=PATCH,
        spatial_merge_size=MERGE,
        temporal_patch_size=FRAMES,
    )
