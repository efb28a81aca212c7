"""Measure how often the plain sampler is exactly right: python -m demo.training.evaluate --steps 4

Samples `--draws` images for each of `--prompts` held-out captions by Euler steps, decodes them, and
counts shapes per colour with the pack's counter. An image is right if the counts of all colours
are, also of colours that the caption does not name. It prints the rate of right images with its
standard error over prompts, also by number of kinds and of shapes. It also prints the probability
that the best of N images is right, an unbiased estimate from the draws of each prompt.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from pack.rewards.count.colour_shapes import colour_counts
from PIL import Image
from torch import Tensor

from ..data import HERE, load_decoder, load_encoder
from ..scenes import COLOURS, draw_images, draw_kinds, held_out_prompts
from ..taesd import Decoder, narrowed
from ..text import encode, parse
from .reflow import follow
from .train_flux import load_flux


def is_right(image: Tensor, caption: str) -> bool:
    """Whether the image (3, H, W) has exactly the caption's count of each colour."""
    targets = {list(COLOURS)[colour]: count for count, colour, _ in parse(caption)}
    counts = colour_counts(image.permute(1, 2, 0).clamp(0, 1))
    return {colour: n for colour, n in counts.items() if n} == targets


def best_of(n: int, right: int, draws: int) -> float:
    """Probability that at least one of n images is right.

    Args:
        n: images taken from the draws, without replacement.
        right: number of right images among the draws.
        draws: number of images.
    """
    return 1 - math.comb(draws - right, n) / math.comb(draws, n)


def save_grid(images: Tensor, columns: int, path: Path) -> None:
    """Write images into one PNG, row by row.

    Args:
        images: (n, 3, H, W) in [0, 1].
        columns: images per row.
        path: the PNG file.
    """
    rows = images.clamp(0, 1).unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2)
    grid = rows.reshape(rows.shape[0] * rows.shape[1], -1, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((grid * 255).round().byte().numpy()).save(path)


def report(prompts: list[str], right: Tensor) -> dict[str, object]:
    """The rates that `main` prints; `right` is a bool tensor (prompts, draws)."""
    rates, draws = right.float().mean(1), right.shape[1]
    kinds = torch.tensor([len(parse(p)) for p in prompts])
    total = torch.tensor([sum(n for n, *_ in parse(p)) for p in prompts])
    groups = {f"{k} kinds": kinds == k for k in (1, 2, 3)}
    groups |= {f"{a}-{a + 2} shapes": (total >= a) & (total < a + 3) for a in (1, 4, 7, 10)}
    return {
        "exact": round(rates.mean().item(), 3),
        "error": round(rates.std().item() / len(rates) ** 0.5, 3),
        **{
            name: [round(rates[rows].mean().item(), 3), int(rows.sum())]
            for name, rows in groups.items()
        },
        "best_of": {
            n: round(sum(best_of(n, int(r), draws) for r in right.sum(1)) / len(prompts), 3)
            for n in (5, 10, 25)
            if n <= draws
        },
    }


def show_steps(net: torch.nn.Module, decoder: Decoder, path: Path) -> None:
    """Write grids of reconstructions, and of x0 predicted at steps 1, 2, 4, 6 and 10 of 10.

    Args:
        net: the flow model.
        decoder: latents -> images.
        path: a PNG file; the grids are written next to it.
    """
    generator = torch.Generator().manual_seed(7)
    images = draw_images(draw_kinds(8, generator), generator)
    save_grid(
        torch.cat((images, decoder(load_encoder()(images)))),
        8,
        path.with_name("reconstructions.png"),
    )
    eps = torch.randn(8, 16, 16, 16, generator=generator)
    estimates = follow(net, eps, *encode(held_out_prompts(8, 0)), 10)
    grid = torch.cat([decoder(estimates[k]) for k in (0, 1, 3, 5, 9)])
    save_grid(grid, 8, path.with_name(path.stem + "_x0.png"))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=HERE / "flux_fast.safetensors")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--cfg", type=float, default=1.0)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--grid", type=Path, help="also save images here")
    parser.add_argument("--each", action="store_true", help="also print the rate of each prompt")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.set_grad_enabled(False)
    torch.set_num_threads(args.threads)
    net, decoder = load_flux(args.weights).eval(), narrowed(load_decoder())
    prompts = held_out_prompts(args.prompts, args.seed)
    tokens, pooled = encode(prompts)
    generator, right, images = torch.Generator().manual_seed(args.seed), [], torch.empty(0)
    for _ in range(args.draws):
        eps = torch.randn(len(prompts), 16, 16, 16, generator=generator)
        images = decoder(follow(net, eps, tokens, pooled, args.steps, args.cfg)[-1])
        right.append([is_right(*pair) for pair in zip(images, prompts, strict=True)])
    right = torch.tensor(right).T
    print(json.dumps({"weights": args.weights.name, "steps": args.steps, **report(prompts, right)}))
    if args.each:
        rates = zip(prompts, right.float().mean(1).tolist(), strict=True)
        for prompt, rate in sorted(rates, key=lambda pair: pair[1]):
            print(f"{rate:.2f} {prompt}")
    if args.grid:
        save_grid(images[:32], 8, args.grid)
        show_steps(net, decoder, args.grid)


if __name__ == "__main__":
    main()
