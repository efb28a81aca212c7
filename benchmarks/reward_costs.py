"""What rewards cost: python benchmarks/reward_costs.py > benchmarks/reward_costs.md

Builds every family in its published sizes, without weights: parameters give the GiB that they take
in the dtype in which they are held on a GPU, and torch's counter the floating-point operations of
one picture (a multiplication and an addition are two). Of vision-language models and of Grounding
DINO's encoder these are not counted but twice the weights that each token passes. What is computed
of the prompt once a run is left out. Of small models also the CPU seconds of a picture, one thread,
float32, random weights. Needs the environment of `python dev.py test`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import transformers as tf
import world  # noqa: F401  (gives the checkout the name pack)
from pack.rewards.mps_blocks import CrossModel
from torch.utils.flop_counter import FlopCounterMode

WORDS = 32  # tokens of a prompt
EAGER = {"attn_implementation": "eager"}  # its products are counted one by one


class Cost(NamedTuple):
    """Of one model: parameters, bytes of one, and operations of a picture (None: not counted)."""

    name: str
    parameters: int
    size: int
    flops: int
    shown: str
    seconds: float | None = None


def count(run: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops()


def parameters(*modules: torch.nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())


def head(width: int) -> int:
    """Parameters of the linear layers on an embedding."""
    sizes = (width, 1024, 128, 64, 16, 1)
    return sum((before + 1) * after for before, after in zip(sizes, sizes[1:], strict=False))


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of the process, which other programs do not change: the least of three."""
    taken = []
    for _ in range(3):
        begin = time.process_time()
        with torch.no_grad():
            run()
        taken.append(time.process_time() - begin)
    return min(taken)


def picture(size: int, device: str = "meta") -> torch.Tensor:
    return torch.zeros(1, 3, size, size, device=device)


def clip_config(vision: dict, text: dict, dim: int) -> tf.CLIPConfig:
    config = tf.CLIPConfig(
        vision_config=vision, text_config=text | {"vocab_size": 49408}, projection_dim=dim
    )
    config.vision_config.projection_dim = dim
    config.vision_config._attn_implementation = "eager"
    return config


def tower(width: int, inner: int, layers: int, heads: int, patch: int, size: int = 224) -> dict:
    return {
        "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "patch_size": patch, "image_size": size,
    }  # fmt: skip


def reader(width: int, layers: int, heads: int) -> dict:
    return {
        "hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }  # fmt: skip


B_32 = clip_config(tower(768, 3072, 12, 12, 32), reader(512, 12, 8), 512)
L_14 = clip_config(tower(1024, 4096, 24, 16, 14), reader(768, 12, 12), 768)
L_336 = clip_config(tower(1024, 4096, 24, 16, 14, 336), reader(768, 12, 12), 768)
H_14 = clip_config(tower(1280, 5120, 32, 16, 14), reader(1024, 24, 16), 1024)


def clip(name: str, config: tf.CLIPConfig, timed: bool = False, whole: bool = True) -> Cost:
    with torch.device("meta"):
        model, look = tf.CLIPModel(config), tf.CLIPVisionModelWithProjection(config.vision_config)
    size = config.vision_config.image_size
    flops = count(lambda: look(pixel_values=picture(size)))
    taken = None
    if timed:
        real = tf.CLIPVisionModelWithProjection(config.vision_config).eval()
        taken = seconds(lambda: real(pixel_values=picture(size, "cpu")))
    return Cost(name, parameters(model if whole else look), 2, flops, f"{size}²", taken)


def mps() -> Cost:
    base = clip("", H_14)
    with torch.device("meta"):
        blocks = CrossModel(4, dim=1024, head=64, inner=1024, hidden=4096)
        image, prompt = torch.zeros(1, 257, 1024), torch.zeros(1, 77, 1024)
        kept = torch.ones(1, 77, dtype=torch.bool)
    flops = base.flops + count(lambda: blocks(image, prompt, kept))
    return Cost("mps", base.parameters + parameters(blocks), 2, flops, "224²")


def siglip(name: str, words: int, whole: bool, timed: bool = False) -> Cost:
    vision = tower(1152, 4304, 27, 16, 14, 384)
    text = reader(1152, 27, 16) | {"intermediate_size": 4304, "vocab_size": words}
    config = tf.SiglipConfig(vision_config=vision, text_config=text)
    config.vision_config._attn_implementation = "eager"
    with torch.device("meta"):
        look, model = tf.SiglipVisionModel(config.vision_config), tf.SiglipModel(config)
    flops = count(lambda: look(pixel_values=picture(384)))
    taken = None
    if timed:
        real = tf.SiglipVisionModel(config.vision_config).eval()
        taken = seconds(lambda: real(pixel_values=picture(384, "cpu")))
    held = parameters(model) if whole else parameters(look) + head(1152)
    return Cost(name, held, 2, flops, "384²", taken)


def image_reward() -> Cost:
    vision = tf.BlipVisionConfig(**tower(1024, 4096, 24, 16, 16), **EAGER)
    text = tf.BlipTextConfig(
        vocab_size=30524, hidden_size=768, encoder_hidden_size=1024, intermediate_size=3072,
        num_hidden_layers=12, num_attention_heads=12, is_decoder=True, **EAGER,
    )  # fmt: skip
    with torch.device("meta"):
        look = tf.BlipVisionModel(vision)
        read = tf.BlipTextModel(text, add_pooling_layer=False)
        asked, seen = torch.zeros(1, 35, 768), torch.zeros(1, 197, 1024)
    flops = count(lambda: look(pixel_values=picture(224)))
    flops += count(lambda: read.encoder(asked, encoder_hidden_states=seen))
    return Cost("image_reward", parameters(look, read) + head(768), 2, flops, "224²")


def t5(xl: bool) -> tf.T5ForConditionalGeneration:
    sizes = (2048, 5120, 32) if xl else (4096, 10240, 64)
    config = tf.T5Config(
        vocab_size=32128, d_model=sizes[0], d_ff=sizes[1], num_heads=sizes[2], d_kv=64,
        num_layers=24, feed_forward_proj="gated-gelu", tie_word_embeddings=False, **EAGER,
    )  # fmt: skip
    with torch.device("meta"):
        model = tf.T5ForConditionalGeneration(config)
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    return model


def answered(model: tf.T5ForConditionalGeneration, tokens: int) -> int:
    """Operations of a question of so many tokens, and its answer of two."""
    width = model.config.d_model
    asked = torch.zeros(1, tokens, width, device="meta")
    said = torch.zeros(1, 2, dtype=torch.long, device="meta")
    return count(lambda: model(inputs_embeds=asked, decoder_input_ids=said, use_cache=False))


def flant5(xl: bool) -> Cost:
    model, name = t5(xl), "xl" if xl else "xxl"
    width = model.config.d_model
    look = clip("", L_336, whole=False)
    projector = (1024 + width + 2) * width
    flops = look.flops + 2 * 576 * projector + answered(model, 576 + 50 + WORDS)
    held = parameters(model) + look.parameters + projector
    return Cost(f"vqascore ({name})", held, 2, flops, "336²")


def instructblip(xl: bool) -> Cost:
    model, name = t5(xl), "xl" if xl else "xxl"
    vision = tf.InstructBlipVisionConfig(**EAGER)  # ViT-g, the default
    qformer = tf.InstructBlipQFormerConfig(vocab_size=30523, **EAGER)
    with torch.device("meta"):
        look = tf.models.instructblip.modeling_instructblip.InstructBlipVisionModel(vision)
    # The Q-Former: 12 layers of 768, half of them with attention to the picture.
    layer = 4 * 768**2 + 2 * 2 * 768 * 3072
    cross = 2 * 768**2 + 2 * 768 * vision.hidden_size
    reads = 12 * layer + 6 * cross + qformer.vocab_size * 768
    flops = count(lambda: look(pixel_values=picture(224)))
    flops += 2 * (32 + WORDS) * 12 * layer + 2 * 6 * 257 * 2 * 768 * vision.hidden_size
    flops += answered(model, 32 + 20 + WORDS)
    held = parameters(model, look) + reads
    return Cost(f"vqascore_instructblip ({name})", held, 2, flops, "224²")


def qwen(
    name: str, config: tf.PretrainedConfig, model: type, patch: int, area: int, asked: int
) -> Cost:
    """A vision-language model: operations are twice the weights that each token passes."""
    with torch.device("meta"):
        whole = model(config)
    visual = whole.model.visual if hasattr(whole, "model") else whole.visual
    look = parameters(visual)
    text = whole.model.language_model if hasattr(whole, "model") else whole.language_model
    embed = text.get_input_embeddings().weight.numel()
    patches = area // patch**2
    flops = 2 * look * patches + 2 * (parameters(text) - embed) * (patches // 4 + asked)
    return Cost(name, parameters(whole), 2, flops, f"{round(area**0.5)}²")


def hps_v3() -> Cost:
    text = {
        "vocab_size": 151_658, "hidden_size": 3584, "intermediate_size": 18944,
        "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
    }  # fmt: skip
    sight = {"depth": 32, "embed_dim": 1280, "num_heads": 16, "hidden_size": 3584, "mlp_ratio": 4}
    config = tf.Qwen2VLConfig(text_config=text, vision_config=sight)
    return qwen("hps_v3", config, tf.Qwen2VLModel, 14, 200_704, 700)


def qwen3_vl() -> Cost:
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
    name = "vqascore_vlm (Qwen3-VL-2B)"
    return qwen(name, config, tf.Qwen3VLForConditionalGeneration, 16, 1024**2, 20 + WORDS)


def owl() -> Cost:
    vision = tower(768, 3072, 12, 12, 16, 960)
    config = tf.Owlv2Config(vision_config=vision, text_config=reader(512, 12, 8))
    with torch.device("meta"):
        model = tf.Owlv2ForObjectDetection(config)
    flops = count(lambda: model.owlv2.vision_model(pixel_values=picture(960)))
    return Cost("object_count_owl", parameters(model), 2, flops, "960²")


def dino(size: str) -> Cost:
    """The image backbone's operations are counted; the rest, of some 20,000 tokens of 256, are
    twice the weights of its encoder times these."""
    widths = {
        "tiny": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24],
                 "window_size": 7},
        "base": {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32],
                 "window_size": 12},
    }  # fmt: skip
    swin = tf.SwinConfig(image_size=384 if size == "base" else 224, **widths[size],
                         out_features=["stage2", "stage3", "stage4"], **EAGER)  # fmt: skip
    text = tf.BertConfig(vocab_size=30522)
    config = tf.GroundingDinoConfig(backbone_config=swin, text_config=text)
    with torch.device("meta"):
        model = tf.GroundingDinoForObjectDetection(config)
        backbone = tf.SwinBackbone(swin)
    flops = count(lambda: backbone(picture(800)))
    tokens = sum((800 // step) ** 2 for step in (8, 16, 32, 64))
    flops += 2 * tokens * parameters(model.model.encoder)
    return Cost(f"object_count ({size})", parameters(model), 4, flops, "800²")


def costs() -> list[Cost]:
    return [
        clip("clip_score, clip_reference, temporal_consistency (B/32)", B_32, timed=True),
        clip("clip_score (L/14)", L_14, timed=True),
        clip("clip_score (PickScore, H/14)", H_14),
        clip("hps_v2", H_14),
        mps(),
        clip("laion_aesthetic (image tower of L/14)", L_14, whole=False),
        siglip("aesthetic_v2_5 (image tower)", 32_000, whole=False),
        siglip("siglip_score (SigLIP 2 so400m)", 256_000, whole=True, timed=True),
        image_reward(),
        hps_v3(),
        flant5(True),
        flant5(False),
        instructblip(True),
        instructblip(False),
        qwen3_vl(),
        dino("tiny"),
        dino("base"),
        owl(),
    ]


def page(rows: list[Cost]) -> str:
    lines = [
        "# What rewards cost",
        "",
        "`python benchmarks/reward_costs.py > benchmarks/reward_costs.md`",
        "",
        *__doc__.split("\n\n")[1].splitlines(),
        "",
        "No trained weights and no GPU were at hand: a GPU's memory is the weights, what the model",
        "needs while it runs, and what ComfyUI itself keeps free (about 1 GiB).",
        "",
        "| reward | parameters, billion | bytes each | weights, GiB | picture shown | TFLOP a "
        "picture | CPU s a picture |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        taken = "" if row.seconds is None else f"{row.seconds:.2g}"
        held = row.parameters * row.size / 2**30
        lines.append(
            f"| {row.name} | {row.parameters / 1e9:.3f} | {row.size} | {held:.2g} | {row.shown} | "
            f"{row.flops / 1e12:.2g} | {taken} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(page(costs()) + "\n")
