"""A small Qwen3-VL of the host's, as the CLIP that its loaders make of a large one."""

from contextlib import contextmanager
from types import SimpleNamespace

import comfy.sd
import torch

KIND = "qwen3vl_4b"
TEXT = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16,
}  # fmt: skip
SIGHT = {
    "hidden_size": 64, "intermediate_size": 96, "depth": 2, "deepstack_visual_indexes": [0],
}  # fmt: skip


@contextmanager
def small_configs(host):
    """The host's module builds small models while inside."""
    texts, sights = host.QWEN3VL_CONFIGS, host.QWEN3VL_VISION
    large, sight = texts[KIND], sights[KIND]

    def small(**given):
        config = large(**given)
        vars(config).update(TEXT, rope_dims=[4, 2, 2])
        return config

    texts[KIND], sights[KIND] = small, SIGHT
    try:
        yield
    finally:
        texts[KIND], sights[KIND] = large, sight


def build():
    """With random weights, large enough that pictures and words matter."""
    import comfy.text_encoders.qwen3vl as host  # not in every version

    target = SimpleNamespace(
        params={}, clip=host.te(model_type=KIND), tokenizer=host.tokenizer(KIND)
    )
    with small_configs(host):
        clip = comfy.sd.CLIP(target)
    random = torch.Generator().manual_seed(0)
    for weight in clip.cond_stage_model.parameters():
        values = torch.randn(weight.shape, generator=random)
        weight.data.copy_(0.2 * values if weight.ndim > 1 else 1 + 0.1 * values)
    return clip


class Seeing:
    """Encodes prompts as one CLIP does, and answers questions as a small Qwen3-VL."""

    def __init__(self, clip):
        self.clip, self.vlm = clip, build()

    def __getattr__(self, name):
        return getattr(self.vlm, name)

    def tokenize(self, text, **options):
        return (self.vlm if options else self.clip).tokenize(text, **options)

    def encode_from_tokens_scheduled(self, tokens, **options):
        return self.clip.encode_from_tokens_scheduled(tokens, **options)


class TinyVLM:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("CLIP",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self):
        return (build(),)


class SeeingCLIP(TinyVLM):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"clip": ("CLIP",)}}

    def run(self, clip):
        return (Seeing(clip),)


NODES = {"ProbeTinyVLM": TinyVLM, "ProbeSeeingCLIP": SeeingCLIP}
