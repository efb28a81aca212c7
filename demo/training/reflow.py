"""Distil `flux_fast.safetensors` from `flux_base.safetensors` by reflow.

    python -m demo.training.reflow

Rectified flow (arXiv 2209.03003): follow the teacher's ODE from noise eps to its sample x0, then
train on these pairs with the straight path

    x_t = (1 - t) x0 + t eps,        v = eps - x0.

The paths of these pairs do not cross any more, so a few steps, or one, are enough. Half of the
times t lie in [0.7, 1], where a search computes its rewards. Pairs are kept in the file `--pairs`,
and a second run adds to them.
"""

import argparse
import time
from pathlib import Path

import torch
from pack.rewards.count.colour_shapes import colour_counts
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..data import load_decoder
from ..flux import Flux
from ..scenes import COLOURS, draw_kinds, held_out_mask
from ..taesd import narrowed
from ..text import embed
from .train_flux import HERE, Trainer, early_times, flow_loss, load_flux, options


def follow(
    net: Flux, eps: Tensor, tokens: Tensor, pooled: Tensor, steps: int, cfg: float = 1.0
) -> list[Tensor]:
    """Euler steps at t = 1, 1 - 1/steps, ...

    Args:
        net: the flow model.
        eps: noise (n, 16, 16, 16).
        tokens: (n, 3, 64).
        pooled: (n, 64).
        steps: number of steps.
        cfg: scale of classifier-free guidance, 1 for none.

    Returns: x0 predicted at each step; the last one is the sample.
    """
    x, estimates = eps, []
    for k in range(steps):
        t = torch.full((len(x),), 1 - k / steps)
        with torch.autocast("cpu", torch.bfloat16):
            v = net(x, t, tokens, pooled).float()
            if cfg != 1.0:
                free = net(x, t, 0 * tokens, 0 * pooled).float()
                v = free + cfg * (v - free)
        estimates.append(x - t[0] * v)
        x = x - v / steps
    return estimates


def relabel(images: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
    """Label images (n, 3, H, W), sampled for `kinds` (n, 3, 3), by what they really show.

    Counts are replaced by those of the counter. An image is dropped if it has none or more than six
    of a colour of its caption, or a held-out triple. It is also dropped if it has another colour,
    because the shape of that colour is unknown.

    Returns: the kinds shown, and a mask (n,) of the images to keep.
    """
    labels, keep = kinds.clone(), torch.ones(len(kinds), dtype=torch.bool)
    for row, image in enumerate(images):
        counts = {c: n for c, n in colour_counts(image.permute(1, 2, 0)).items() if n}
        for slot, (count, colour, _) in enumerate(kinds[row].tolist()):
            if count:
                labels[row, slot, 0] = counts.pop(list(COLOURS)[colour], 0)
        keep[row] = not counts
    used = kinds[..., 0] > 0
    fits = (labels[..., 0] >= 1) & (labels[..., 0] <= 6) | ~used
    keep &= fits.all(1)
    labels[..., 0].clamp_(max=6)
    return labels, keep & ~held_out_mask(labels)


def make_pairs(args: argparse.Namespace) -> dict[str, Tensor]:
    """Pairs (noise, teacher's sample, kinds shown): those in the file and new ones.

    There are at least `args.make` in the end.
    """
    teacher = load_flux(args.teacher)
    decoder = narrowed(load_decoder()).bfloat16().to(memory_format=torch.channels_last)
    parts = [load_file(args.pairs)] if args.pairs.exists() else []
    made, drawn, start = sum(len(part["kinds"]) for part in parts), 0, time.time()
    generator = torch.Generator().manual_seed(args.seed * 1_000_003 + made)
    while made < args.make:
        kinds = draw_kinds(64, generator)
        eps = torch.randn(len(kinds), 16, 16, 16, generator=generator)
        x0 = follow(teacher, eps, *embed(kinds), args.steps, args.cfg)[-1]
        kinds, keep = relabel(decoder(x0.bfloat16()).float().clamp(0, 1), kinds)
        pair = {"eps": eps.half(), "x0": x0.half(), "kinds": kinds.byte()}
        parts.append({key: value[keep] for key, value in pair.items()})
        made, drawn = made + int(keep.sum()), drawn + len(keep)
        if drawn % 1024 == 0:
            print(f"{made} of {args.make} pairs, {drawn} drawn, {time.time() - start:.0f} s")
    pairs = {key: torch.cat([part[key] for part in parts]) for key in ("eps", "x0", "kinds")}
    args.pairs.parent.mkdir(parents=True, exist_ok=True)
    save_file(pairs, args.pairs)
    return pairs


def main() -> None:
    defaults = {"updates": 2000, "rate": 1e-3, "make": 20_000, "steps": 20, "cfg": 1.0}
    parser = options(__doc__, "flux_fast.safetensors", **defaults)
    parser.add_argument("--teacher", type=Path, default=HERE / "flux_base.safetensors")
    pairs_file = HERE.parent / "demo_build" / "pairs.safetensors"
    parser.add_argument("--pairs", type=Path, default=pairs_file)
    args: argparse.Namespace = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    with torch.no_grad():
        pairs = make_pairs(args)
    net = load_flux(args.start or args.teacher)
    trainer = Trainer(net, args)
    for step in trainer.steps():
        row = torch.randint(len(pairs["kinds"]), (args.batch,))
        eps, x0 = pairs["eps"][row].float(), pairs["x0"][row].float()
        t = early_times(len(row))
        at = t[:, None, None, None]
        with torch.autocast("cpu", torch.bfloat16):
            v = net((1 - at) * x0 + at * eps, t, *embed(pairs["kinds"][row].long()))
        trainer.descend(flow_loss(v, eps - x0), step)


if __name__ == "__main__":
    main()
