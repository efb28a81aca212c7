"""The rewards' networks in their published sizes, without weights, for reward_costs.py.

A part is a function that builds one network on the default device. It returns the network and a
call that scores one image; None if the network is not called for each image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import transformers as tf
from torch import nn

from ..rewards.preference.mps_blocks import CrossModel

Part = Callable[[], tuple[nn.Module, Callable[[], object] | None]]
WORDS = 32  # tokens of a prompt
EAGER = {"attn_implementation": "eager"}  # the counter sees each of its products


def picture(size: int) -> torch.Tensor:
    return torch.rand(1, 3, size, size)


def tower(width: int, inner: int, layers: int, heads: int, patch: int, size: int = 224) -> dict:
    """Sizes of an image tower.

    Args:
        width: of a layer.
        inner: width of its MLP.
        layers: their number.
        heads: of the attention.
        patch: pixels a side of a patch.
        size: pixels a side of the image.
    """
    return {
        "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "patch_size": patch, "image_size": size,
    }  # fmt: skip


def reader(width: int, layers: int, heads: int) -> dict:
    """Sizes of a text tower.

    Args:
        width: of a layer; its MLP is four times as wide.
        layers: their number.
        heads: of the attention.
    """
    return {
        "hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }  # fmt: skip


B_32 = (tower(768, 3072, 12, 12, 32), reader(512, 12, 8), 512)
L_14 = (tower(1024, 4096, 24, 16, 14), reader(768, 12, 12), 768)
L_336 = (tower(1024, 4096, 24, 16, 14, 336), reader(768, 12, 12), 768)
H_14 = (tower(1280, 5120, 32, 16, 14), reader(1024, 24, 16), 1024)


def clip_image(kind: tuple[dict, dict, int]) -> Part:
    vision, _, dim = kind

    def build() -> tuple:
        config = tf.CLIPVisionConfig(**vision, projection_dim=dim, **EAGER)
        look = tf.CLIPVisionModelWithProjection(config)
        return look, lambda: look(pixel_values=picture(vision["image_size"]))

    return build


def clip_text(kind: tuple[dict, dict, int]) -> Part:
    config = tf.CLIPTextConfig(**kind[1], vocab_size=49408, projection_dim=kind[2])
    return lambda: (tf.CLIPTextModelWithProjection(config), None)


def mps_blocks() -> tuple:
    blocks = CrossModel(4, dim=1024, head=64, inner=1024, hidden=4096)

    def ask() -> object:
        kept = torch.ones(1, 77, dtype=torch.bool)
        return blocks(torch.rand(1, 257, 1024), torch.rand(1, 77, 1024), kept)

    return blocks, ask


def mlp(*widths: int) -> Part:
    def build() -> tuple:
        pairs = zip(widths, widths[1:], strict=False)
        layers = nn.Sequential(*(nn.Linear(before, after) for before, after in pairs))
        return layers, lambda: layers(torch.rand(1, widths[0]))

    return build


def head(width: int) -> Part:
    """The linear layers on an embedding."""
    return mlp(width, 1024, 128, 64, 16, 1)


def siglip_image() -> tuple:
    look = tf.SiglipVisionModel(
        tf.SiglipVisionConfig(**tower(1152, 4304, 27, 16, 14, 384), **EAGER)
    )
    return look, lambda: look(pixel_values=picture(384))


def siglip_text() -> tuple:
    sizes = reader(1152, 27, 16) | {"intermediate_size": 4304, "vocab_size": 256_000}
    return tf.SiglipTextModel(tf.SiglipTextConfig(**sizes)), None


def blip_image() -> tuple:
    look = tf.BlipVisionModel(tf.BlipVisionConfig(**tower(1024, 4096, 24, 16, 16), **EAGER))
    return look, lambda: look(pixel_values=picture(224))


def blip_text() -> tuple:
    config = tf.BlipTextConfig(
        vocab_size=30524, hidden_size=768, encoder_hidden_size=1024, intermediate_size=3072,
        num_hidden_layers=12, num_attention_heads=12, is_decoder=True, **EAGER,
    )  # fmt: skip
    read = tf.BlipTextModel(config, add_pooling_layer=False)

    def ask() -> object:
        words, patches = torch.rand(1, 35, 768), torch.rand(1, 197, 1024)
        return read.encoder(words, encoder_hidden_states=patches)

    return read, ask


def t5(xl: bool, tokens: int) -> Part:
    """A T5 that reads `tokens` and answers with two."""
    width, inner, heads = (2048, 5120, 32) if xl else (4096, 10240, 64)

    def build() -> tuple:
        config = tf.T5Config(
            vocab_size=32128, d_model=width, d_ff=inner, num_heads=heads, d_kv=64, num_layers=24,
            feed_forward_proj="gated-gelu", tie_word_embeddings=False, **EAGER,
        )  # fmt: skip
        model = tf.T5ForConditionalGeneration(config)
        untied = torch.empty_like(model.lm_head.weight).fill_(0.01)
        model.lm_head.weight = nn.Parameter(untied)

        def ask() -> object:
            answer = torch.zeros(1, 2, dtype=torch.long)
            question = torch.rand(1, tokens, width)
            return model(inputs_embeds=question, decoder_input_ids=answer, use_cache=False)

        return model, ask

    return build


def flant5(xl: bool) -> tuple[Part, ...]:
    width = 2048 if xl else 4096

    def projector() -> tuple:
        layers = nn.Sequential(nn.Linear(1024, width), nn.GELU(), nn.Linear(width, width))
        return layers, lambda: layers(torch.rand(1, 576, 1024))

    return clip_image(L_336), projector, t5(xl, 576 + 50 + WORDS)


def instructblip(xl: bool) -> tuple[Part, ...]:
    module = tf.models.instructblip.modeling_instructblip

    def image() -> tuple:
        look = module.InstructBlipVisionModel(tf.InstructBlipVisionConfig(**EAGER))  # ViT-g
        return look, lambda: look(pixel_values=picture(224))

    def qformer() -> tuple:
        config = tf.InstructBlipQFormerConfig(vocab_size=30523, encoder_hidden_size=1408, **EAGER)
        read = module.InstructBlipQFormerModel(config)

        def ask() -> object:
            words = torch.zeros(1, WORDS, dtype=torch.long)
            queries, patches = torch.rand(1, 32, 768), torch.rand(1, 257, 1408)
            return read(words, query_embeds=queries, encoder_hidden_states=patches)

        return read, ask

    return image, qformer, mlp(768, 2048 if xl else 4096), t5(xl, 32 + 20 + WORDS)


def qwen2_vl(large: bool = True) -> tuple:
    """The trunk of HPSv3, or of VideoReward if not `large`, without a head; not run."""
    wide, inner, heads, groups = (3584, 18944, 28, 4) if large else (1536, 8960, 12, 2)
    text = {
        "vocab_size": 151_658, "hidden_size": wide, "intermediate_size": inner,
        "num_hidden_layers": 28, "num_attention_heads": heads, "num_key_value_heads": groups,
    }  # fmt: skip
    sight = {"depth": 32, "embed_dim": 1280, "num_heads": 16, "hidden_size": wide, "mlp_ratio": 4}
    return tf.Qwen2VLModel(tf.Qwen2VLConfig(text_config=text, vision_config=sight)), None


def qwen2_5_vl() -> tuple:
    """The trunk of EditReward on Qwen2.5-VL-7B, without heads; not run."""
    text = {
        "vocab_size": 151_666, "hidden_size": 3584, "intermediate_size": 18944,
        "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
    }  # fmt: skip
    sight = {
        "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
        "out_hidden_size": 3584,
    }  # fmt: skip
    return tf.Qwen2_5_VLModel(tf.Qwen2_5_VLConfig(text_config=text, vision_config=sight)), None


def qwen3_vl() -> tuple:
    """The 2B model; not run."""
    text = {
        "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 6144,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 128, "tie_word_embeddings": True,
    }  # fmt: skip
    sight = {
        "hidden_size": 1024, "intermediate_size": 4096, "depth": 24, "num_heads": 16,
        "out_hidden_size": 2048, "deepstack_visual_indexes": [5, 11, 17],
    }  # fmt: skip
    config = tf.Qwen3VLConfig(text_config=text, vision_config=sight, tie_word_embeddings=True)
    return tf.Qwen3VLForConditionalGeneration(config), None


def owl() -> tuple:
    vision = tower(768, 3072, 12, 12, 16, 960)
    config = tf.Owlv2Config(vision_config=vision, text_config=reader(512, 12, 8))
    config._attn_implementation = "eager"
    model = tf.Owlv2ForObjectDetection(config)
    return model, lambda: model.owlv2.vision_model(pixel_values=picture(960))


def dino(size: str) -> Part:
    widths = {
        "tiny": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24],
                 "window_size": 7},
        "base": {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32],
                 "window_size": 12},
    }  # fmt: skip

    def build() -> tuple:
        swin = tf.SwinConfig(image_size=384 if size == "base" else 224, **widths[size],
                             out_features=["stage2", "stage3", "stage4"], **EAGER)  # fmt: skip
        config = tf.GroundingDinoConfig(
            backbone_config=swin, text_config=tf.BertConfig(vocab_size=30522)
        )
        model = tf.GroundingDinoForObjectDetection(config)

        def ask() -> object:
            words = torch.tensor([[101, *range(2000, 2000 + WORDS), 1012, 102]])
            return model(pixel_values=picture(800), input_ids=words)

        return model, ask

    return build
