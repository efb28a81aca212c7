"""How alike a judge ranks images in fewer bits: python benchmarks/small_memory.py --write

Draws tiny random judges, built as HPSv3 is: a Qwen2-VL trunk with a reward head. Each scores the
same 24 smooth random images for one prompt: in float32, in bfloat16 as published, with `memory`
eight_bits, and in plain fp8, as ComfyUI casts diffusion models. Pearson's correlation, the share of
pairs that are ranked alike, and how often the best image is the same are against bfloat16; float32
shows what bfloat16 itself costs. Means over the draws, with the standard error of the mean. GiB are
those of the weights of HPSv3, counted on its published sizes. Random weights are no trained ones:
what they say is how the rounding adds up over the layers.
"""

from __future__ import annotations

import argparse
import copy
import runpy
import statistics
from collections.abc import Callable
from pathlib import Path

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("--write", action="store_true", help="put the table into the page")
ARGS = PARSER.parse_args()  # before the imports below, which take seconds

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import reward_models as models
from pack.rewards.files.small_memory import EIGHT_BITS, cast_layers, shrink
from pack.rewards.question.qwen_pixels import qwen_patches
from pack.rewards.question.qwen_trunk import QwenTrunk
from pack.tools.sections import put

DRAWS, IMAGES, WORDS, AREA = 12, 24, 40, 16 * 28 * 28
WIDE, SIGHT, LAYERS = 256, 160, 8
FP8 = torch.float8_e4m3fn
NAMES = ("float32", "bfloat16, as published", "`eight_bits`", "plain fp8")


class Judge(QwenTrunk):
    """A trunk and a head, of random weights, float32."""

    def __init__(self) -> None:
        import transformers as tf
        from transformers.models.qwen2_vl import modeling_qwen2_vl as qwen

        sight = {"depth": LAYERS, "embed_dim": SIGHT, "num_heads": 2, "hidden_size": WIDE}
        text = {"vocab_size": 200, "hidden_size": WIDE, "intermediate_size": 4 * WIDE,
                "num_hidden_layers": LAYERS, "num_attention_heads": 2,
                "num_key_value_heads": 1}  # fmt: skip
        config = tf.Qwen2VLConfig(text_config={}, vision_config=sight)
        tower = qwen.Qwen2VisionTransformerPretrainedModel(config.vision_config)
        decoder = tf.Qwen2Model(tf.Qwen2Config(**text))
        layers = torch.nn.Linear(WIDE, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)
        super().__init__(tower, decoder, torch.nn.Sequential(*layers))
        for weights in self.parameters():
            if weights.ndim > 1:
                torch.nn.init.normal_(weights, std=weights[0].numel() ** -0.5)
        self.eval().requires_grad_(False)

    def score(self, image: torch.Tensor, words: torch.Tensor) -> float:
        tokens = self.see(*qwen_patches(image, AREA))
        return self.rm_head(self.read([words[:8], tokens, words[8:]])[-1]).item()


def smooth_images(seed: int) -> torch.Tensor:
    """Images (IMAGES, 112, 112, 3) in [0, 1]."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(IMAGES, 3, 6, 6, generator=draw)
    planes = torch.nn.functional.interpolate(coarse, (112, 112), mode="bicubic")
    return planes.clamp(0.0, 1.0).permute(0, 2, 3, 1)


def in_bfloat16(judge: Judge) -> Judge:
    """Both towers in bfloat16; the head stays in float32."""
    judge.visual.bfloat16()
    judge.model.bfloat16()
    return judge


def in_eight_bits(judge: Judge) -> Judge:
    for tower in (in_bfloat16(judge).visual, judge.model):
        shrink(tower, EIGHT_BITS, None)
    return judge


def in_fp8(judge: Judge) -> Judge:
    for tower in (in_bfloat16(judge).visual, judge.model):
        layers = [each for each in tower.modules() if isinstance(each, torch.nn.Linear)]
        for layer in layers:
            layer.weight.data = layer.weight.data.to(FP8)
        cast_layers(layers)
    return judge


VARIANTS: dict[str, Callable[[Judge], Judge]] = dict(
    zip(NAMES, (lambda judge: judge, in_bfloat16, in_eight_bits, in_fp8), strict=True)
)


def agreement(scores: torch.Tensor, reference: torch.Tensor) -> tuple[float, float, float]:
    """Correlation, share of pairs ranked alike, and 1 if the best is the same."""
    pairs = torch.combinations(torch.arange(len(scores)))
    orders = [(row[pairs[:, 0]] > row[pairs[:, 1]]) for row in (scores, reference)]
    alike = (orders[0] == orders[1]).double().mean().item()
    correlation = torch.corrcoef(torch.stack([scores, reference]))[0, 1].item()
    return correlation, alike, float(scores.argmax() == reference.argmax())


def draw(seed: int) -> dict[str, tuple[float, float, float]]:
    """The agreement of each variant of one random judge."""
    torch.manual_seed(seed)
    judge, images, words = Judge(), smooth_images(seed), torch.randint(0, 200, (WORDS,))
    scores = {}
    for name, make in VARIANTS.items():
        variant = make(copy.deepcopy(judge))
        scores[name] = torch.tensor([variant.score(image, words) for image in images])
    return {name: agreement(row, scores[NAMES[1]]) for name, row in scores.items()}


def sizes() -> dict[str, float]:
    """GiB of the weights of HPSv3 in each variant."""
    with torch.device("meta"):
        trunk, _ = models.qwen2_vl()
    total = sum(weights.numel() for weights in trunk.parameters())
    layers = [each for each in trunk.modules() if isinstance(each, torch.nn.Linear)]
    linear = sum(each.weight.numel() for each in layers)
    counts = (4 * total, 2 * total, 2 * total - linear, 2 * total - linear)
    return {name: count / 2**30 for name, count in zip(NAMES, counts, strict=True)}


def table() -> str:
    """The table, a row for each variant."""
    drawn, held = [draw(seed) for seed in range(DRAWS)], sizes()
    lines = ["| weights | GiB of HPSv3 | correlation | pairs ranked alike | same best image |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name in NAMES:
        if name == NAMES[1]:
            lines.append(f"| {name} | {held[name]:.1f} |  |  |  |")
            continue
        cells = []
        columns = zip(*(row[name] for row in drawn), strict=True)
        for values, digits in zip(columns, (3, 3, 2), strict=True):
            error = statistics.stdev(values) / DRAWS**0.5
            cells.append(f"{statistics.mean(values):.{digits}f} ± {error:.{digits}f}")
        lines.append(f"| {name} | {held[name]:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    made = table()
    print(made)
    if ARGS.write:
        put(ROOT / "docs" / "rewards.md", "small memory", made)


if __name__ == "__main__":
    main()
