"""Convert CLIP weights from open_clip's layout to that of transformers' CLIPModel.

open_clip stores the two projections transposed, and query, key and value in one matrix.
"""

from collections.abc import Mapping

import torch

IMAGE_KEYS = ("visual.conv1.weight", "visual.proj")
KEYS = (*IMAGE_KEYS, "token_embedding.weight", "text_projection", "logit_scale")
BLOCKS = {
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "transformer.resblocks.": "text_model.encoder.layers.",
}
RENAMED = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "visual.proj": "visual_projection.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "text_projection": "text_projection.weight",
    "logit_scale": "logit_scale",
}
IN_BLOCK = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
TRANSPOSED = ("visual.proj", "text_projection")


def from_open_clip(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of `state` that a CLIPModel has, under its names."""
    converted = {}
    for key, value in state.items():
        if key in RENAMED:
            converted[RENAMED[key]] = value.T.contiguous() if key in TRANSPOSED else value
        for start, layers in BLOCKS.items():
            if key.startswith(start):
                converted |= _block(layers, key[len(start) :], value)
    return converted


def _block(layers: str, key: str, value: torch.Tensor) -> dict[str, torch.Tensor]:
    """The tensors of one block's `key`: "<number>.<name>.weight", "<number>.attn.in_proj_bias"."""
    number, _, rest = key.partition(".")
    if rest.startswith("attn.in_proj_"):
        kind = rest.removeprefix("attn.in_proj_")
        return {
            f"{layers}{number}.self_attn.{name}_proj.{kind}": part.contiguous()
            for name, part in zip("qkv", value.chunk(3), strict=True)
        }
    name, _, kind = rest.rpartition(".")
    return {f"{layers}{number}.{IN_BLOCK[name]}.{kind}": value} if name in IN_BLOCK else {}
