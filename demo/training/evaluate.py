"""How often the plain sampler is exactly right: python -m demo.training.evaluate --steps 4

Samples `--draws` pictures for each of `--prompts` held-out captions by Euler steps, decodes them
and counts shapes per colour with the pack's own counter. Right means every colour's count, those
not asked for included. Printed: the rate with its standard error over prompts, by number of kinds
and of shapes, and the chance that the best of N is right, for N up to the draws. Best-of-N is the
unbiased estimate from the draws of each prompt.
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
from ..scenes import COLOURS, draw_kinds, draw_pictures, held_out_prompts
from ..taesd import Decoder, narrowed
from ..text import encode, parse
from .reflow import follow
from .train_flux import load_flux


def is_right(picture: Tensor, caption: str) -> bool:
    """Whether (3, H, W) holds just the shapes that the caption asks for, colour by colour."""
    asked = {list(COLOURS)[colour]: count for count, colour, _ in parse(caption)}
    found = colour_counts(picture.permute(1, 2, 0).clamp(0, 1))
    return {colour: n for colour, n in found.items() if n} == asked


def best_of(n: int, right: int, draws: int) -> float:
    """Chance that n of `draws`, drawn without replacement, contain one of the `right`."""
    return 1 - math.comb(draws - right, n) / math.comb(draws, n)


def save_grid(pictures: Tensor, columns: int, path: Path) -> None:
    """(n, 3, H, W) -> one PNG, row by row."""
    rows = pictures.clamp(0, 1).unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2)
    grid = rows.reshape(rows.shape[0] * rows.shape[1], -1, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((grid * 255).round().byte().numpy()).save(path)


def report(prompts: list[str], right: Tensor) -> dict[str, object]:
    """Rates from right (prompts, draws)."""
    each, draws = right.float().mean(1), right.shape[1]
    kinds = torch.tensor([len(parse(p)) for p in prompts])
    total = torch.tensor([sum(n for n, *_ in parse(p)) for p in prompts])
    groups = {f"{k} kinds": kinds == k for k in (1, 2, 3)}
    groups |= {f"{a}-{a + 2} shapes": (total >= a) & (total < a + 3) for a in (1, 4, 7, 10)}
    return {
        "exact": round(each.mean().item(), 3),
        "error": round(each.std().item() / len(each) ** 0.5, 3),
        **{
            name: [round(each[rows].mean().item(), 3), int(rows.sum())]
            for name, rows in groups.items()
        },
        "best_of": {
            n: round(sum(best_of(n, int(r), draws) for r in right.sum(1)) / len(prompts), 3)
            for n in (5, 10, 25)
            if n <= draws
        },
    }


def show_steps(net: torch.nn.Module, decoder: Decoder, path: Path) -> None:
    """Grids of reconstructions and of the one-shot x0 at t = 1, .9, .7, .5 along a 10-step run."""
    generator = torch.Generator().manual_seed(7)
    pictures = draw_pictures(draw_kinds(8, generator), generator)
    save_grid(
        torch.cat((pictures, decoder(load_encoder()(pictures)))),
        8,
        path.with_name("reconstructions.png"),
    )
    eps = torch.randn(8, 16, 16, 16, generator=generator)
    estimates = follow(net, eps, *encode(held_out_prompts(8, 0)), 10)
    shown = torch.cat([decoder(estimates[k]) for k in (0, 1, 3, 5, 9)])
    save_grid(shown, 8, path.with_name(path.stem + "_x0.png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=HERE / "flux_fast.safetensors")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--cfg", type=float, default=1.0)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--grid", type=Path, help="also save pictures here")
    parser.add_argument("--each", action="store_true", help="also print the rate of every prompt")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    net, decoder = load_flux(args.weights).eval(), narrowed(load_decoder())
    prompts = held_out_prompts(args.prompts, args.seed)
    tokens, pooled = encode(prompts)
    generator, right, pictures = torch.Generator().manual_seed(args.seed), [], torch.empty(0)
    for _ in range(args.draws):
        eps = torch.randn(len(prompts), 16, 16, 16, generator=generator)
        pictures = decoder(follow(net, eps, tokens, pooled, args.steps, args.cfg)[-1])
        right.append([is_right(*pair) for pair in zip(pictures, prompts, strict=True)])
    right = torch.tensor(right).T
    print(json.dumps({"weights": args.weights.name, "steps": args.steps, **report(prompts, right)}))
    if args.each:
        for prompt, rate in sorted(
            zip(prompts, right.float().mean(1).tolist(), strict=True), key=lambda p: p[1]
        ):
            print(f"{rate:.2f} {prompt}")
    if args.grid:
        save_grid(pictures[:32], 8, args.grid)
        show_steps(net, decoder, args.grid)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
