"""How many images the reward `taste` needs: python benchmarks/taste.py

Synthetic embeddings: 512 channels whose variance falls as 1 / rank, on a common mean, of length 1.
Liked and not liked ones are moved apart along a taste, so that the best AUC possible is 0.90. An
easy taste lies in the 24 strongest channels, as colours and styles do; a hard one in all. Prints
the AUC on 4000 new embeddings and what `held_out_auc` reports. Both are means of eight draws; ± is
the standard deviation of the second.
"""

import argparse
import runpy
import statistics
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.rewards.preference.taste_head import auc, fitted, held_out_auc

CHANNELS, STRONGEST, DISTANCE = 512, 24, 1.8
NUMBERS, DRAWS, NEW = (10, 25, 50, 100, 200), 8, 2000


def embeddings(number: int, channels: int, seed: int) -> list[torch.Tensor]:
    """Liked and not liked embeddings, each (number, CHANNELS).

    Args:
        number: of each.
        channels: how many of the strongest hold the taste.
        seed: of the draw; world and taste are always the same.
    """
    world = torch.Generator().manual_seed(99)
    spread = torch.arange(1, CHANNELS + 1) ** -0.5
    taste = torch.randn(CHANNELS, generator=world) * (torch.arange(CHANNELS) < channels)
    mean = torch.randn(CHANNELS, generator=world)
    mean *= 1.5 * spread.norm() / mean.norm()
    draw = torch.Generator().manual_seed(seed)
    moved = [sign * DISTANCE / 2 * taste / taste.norm() for sign in (1, -1)]
    drawn = [(torch.randn(number, CHANNELS, generator=draw) + step) * spread for step in moved]
    return [torch.nn.functional.normalize(mean + part, dim=1) for part in drawn]


def row(number: int, channels: int) -> str:
    """The cells of one number of images."""
    new, true, reported = embeddings(NEW, channels, 10_000), [], []
    for seed in range(DRAWS):
        sets = embeddings(number, channels, seed)
        weights, _ = fitted(*sets)
        true.append(auc(*(part @ weights for part in new)))
        reported.append(held_out_auc(*sets))
    spread = statistics.stdev(reported)
    return f"{statistics.mean(true):.2f} | {statistics.mean(reported):.2f} ± {spread:.2f}"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print("| images of each | easy taste: AUC | reported | hard taste: AUC | reported |")
    print("| --- | --- | --- | --- | --- |")
    for number in NUMBERS:
        print(f"| {number} | {row(number, STRONGEST)} | {row(number, CHANNELS)} |")


if __name__ == "__main__":
    main()
