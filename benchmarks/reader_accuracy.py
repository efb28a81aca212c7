"""How often readers are right where the truth is known: python benchmarks/reader_accuracy.py

Scenes are drawn by demo/scenes.py, read as drawn, and read after the demo's autoencoder. Readers
are `shape_reader` (the held-out metric of multiplier.py), the reward `shape_count`, and
`shapes_in` of held_out.py. A reader is right if it has every (colour, shape) count of the scene.
The counts are kept in benchmarks/results/reader_accuracy.json.
"""

from __future__ import annotations

import argparse
import json
import runpy
from collections import Counter
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import held_out, shape_reader
from pack.demo.data import load_decoder, load_encoder
from pack.demo.scenes import caption, draw_images, draw_kinds
from pack.rewards.count.shape_count import ShapeCount

RESULTS = ROOT / "benchmarks" / "results" / "reader_accuracy.json"
RIGHT = -0.5  # shape_count is above it if all counts are right
BATCH = 20


def read(image: torch.Tensor, prompt: str) -> dict[str, bool]:
    """Which readers find in an image (H,W,3) exactly what the prompt names."""
    score = ShapeCount().score(image[None], [prompt])
    return {
        "shape_reader": shape_reader.is_right(image, prompt),
        "shape_count": bool(score > RIGHT),
        "held_out.shapes_in": held_out.shapes_in(image) == shape_reader.target_pairs(prompt),
    }


def measure(scenes: int, seed: int) -> dict[str, Counter]:
    """How many scenes each reader reads right, drawn and decoded."""
    generator = torch.Generator().manual_seed(seed)
    encode, decode = load_encoder(), load_decoder()
    right = {"drawn": Counter(), "decoded": Counter()}
    for _ in range(scenes // BATCH):
        kinds = draw_kinds(BATCH, generator)
        images = draw_images(kinds, generator)
        versions = {"drawn": images, "decoded": decode(encode(images)).clamp(0, 1)}
        for name, batch in versions.items():
            for image, row in zip(batch.permute(0, 2, 3, 1), kinds.tolist(), strict=True):
                right[name] += Counter(read(image.contiguous(), caption(row)))
    return right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    right = measure(args.scenes, args.seed)
    scenes = args.scenes // BATCH * BATCH
    body = {"scenes": scenes, "seed": args.seed, "right": right}
    RESULTS.write_text(json.dumps(body, indent=1) + "\n")
    print(json.dumps(body))


if __name__ == "__main__":
    main()
