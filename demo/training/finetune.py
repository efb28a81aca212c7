"""Fine-tune a few-step model on its counts: python -m demo.training.finetune

Reward gradients pass through the whole sampler (DRaFT, arXiv 2309.17400). A small reader classifies
each cell of a latent. With independent cells the count of a kind is Poisson-binomial, so the
likelihood of the target counts is exact and differentiable.

The network runs over `STEPS` steps and maximises that likelihood. One penalty keeps its cells close
to real ones, and a small one keeps its velocities close to the start. To keep the reader honest, it
learns all the time, by the same likelihood, the pack's counts of the network's newest images.
Captions come from training; none has a held-out triple. The result is right only with these steps.
Reflow turns it into a flow model again.
"""

import argparse
import copy

import torch
import torch.nn.functional as F
from pack.rewards.count.colour_shapes import colour_counts
from torch import Tensor

from ..data import HERE, load_decoder, load_encoder, patch_projection, to_cells
from ..flux import Flux
from ..reader import Reader, by_colour, count_loss, target_counts
from ..scenes import CELL, COLOURS, GRID, SHAPES, draw_images, draw_kinds
from ..taesd import narrowed
from ..text import embed
from .reflow import follow
from .train_flux import Trainer, load_flux, options

STEPS = 4


class Judge:
    """The reader, its optimiser and its training data: real scenes and counted samples."""

    def __init__(self, seed: int) -> None:
        self.reader, self.decoder = Reader(), narrowed(load_decoder()).bfloat16()
        self.decoder = self.decoder.to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.reader.parameters(), lr=1e-3, weight_decay=0.01)
        self.generator = torch.Generator().manual_seed(seed)
        self.real = self._real(3000)
        cells, occupied = to_cells(self.real[0]).flatten(0, 1), self.real[1].flatten() > 0
        self.bank = torch.cat((cells[occupied], cells[~occupied][:2000])).bfloat16()
        self.latents, self.counts = torch.empty(0, 16, 16, 16), torch.empty(0, 6, dtype=torch.long)

    def _real(self, n: int) -> tuple[Tensor, Tensor]:
        """Latents (n, 16, 16, 16) of scenes of one kind each, and the labels of their cells."""
        kinds = draw_kinds(n, self.generator)
        kinds[:, 1:] = 0
        images = draw_images(kinds, self.generator)
        middle = images.unfold(2, CELL, CELL).unfold(3, CELL, CELL).amin((1, -1, -2)).flatten(1)
        label = 1 + kinds[:, 0, 1] * len(SHAPES) + kinds[:, 0, 2]
        with torch.no_grad():
            matrix, bias = patch_projection(load_encoder())
            patches = images.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5)
            latents = (patches.flatten(3) @ matrix + bias).permute(0, 3, 1, 2).contiguous()
        return latents, torch.where(middle < 0.75, label[:, None], 0)

    def unlikeliness(self, x0: Tensor, kinds: Tensor) -> Tensor:
        """-log P of the target counts of `kinds`. The reader does not learn from it."""
        self.reader.requires_grad_(False)
        loss = count_loss(self.reader(x0)[..., 1:], target_counts(kinds), 1e-40)
        self.reader.requires_grad_(True)
        return loss

    def strangeness(self, x0: Tensor) -> Tensor:
        """Mean squared distance of each cell to the nearest real cell."""
        cells = to_cells(x0).flatten(0, 1)
        with torch.no_grad():
            rows = cells.bfloat16() @ self.bank.mT
            nearest = (0.5 * self.bank.float().square().sum(1) - rows.float()).argmin(1)
        return (cells - self.bank[nearest].float()).square().mean()

    def watch(self, net: Flux, n: int) -> float:
        """Count shapes in `n` new images of the network and keep the last 4096.

        Returns: the fraction of images with the right counts.
        """
        with torch.no_grad():
            kinds = draw_kinds(n, self.generator)
            eps = torch.randn(n, 16, 16, 16, generator=self.generator)
            x0 = follow(net, eps, *embed(kinds), STEPS)[-1]
            images = self.decoder(x0.bfloat16()).float().clamp(0, 1).permute(0, 2, 3, 1)
        counts = torch.tensor([[colour_counts(i)[c] for c in COLOURS] for i in images])
        self.latents = torch.cat((self.latents, x0))[-4096:]
        self.counts = torch.cat((self.counts, counts.clamp(max=GRID**2)))[-4096:]
        targets = target_counts(kinds).unflatten(1, (len(COLOURS), len(SHAPES))).sum(-1)
        return (counts == targets).all(1).float().mean().item()

    def learn(self, updates: int) -> None:
        """Train the reader on real cells, with smooth labels, and on the counts of samples."""
        for _ in range(updates):
            row = torch.randint(len(self.real[0]), (64,), generator=self.generator)
            log_p = self.reader(self.real[0][row]).flatten(0, 1).log()
            loss = F.nll_loss(log_p, self.real[1][row].flatten()) - 0.05 * log_p.mean()
            row = torch.randint(len(self.latents), (64,), generator=self.generator)
            loss += count_loss(by_colour(self.reader(self.latents[row])), self.counts[row])
            loss.backward()
            self.optimiser.step()
            self.optimiser.zero_grad()


def rollout(
    net: Flux, start: Flux, eps: Tensor, text: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Sample by `STEPS` Euler steps.

    Args:
        net: the network in training.
        start: the network before training.
        eps: noise (n, 16, 16, 16).
        text: tokens and pooled text.

    Returns: the sample, and the mean squared distance between the velocities of both networks.
    """
    x, distance = eps, torch.zeros(())
    for k in range(STEPS):
        t = torch.full((len(x),), 1 - k / STEPS)
        with torch.autocast("cpu", torch.bfloat16):
            v = net(x, t, *text)
            with torch.no_grad():
                v_start = start(x.detach(), t, *text)
        distance = distance + (v.float() - v_start.float()).square().mean() / STEPS
        x = x - v.float() / STEPS
    return x, distance


def main() -> None:
    defaults = {"updates": 1000, "rate": 5e-4, "hold": 0.2, "real": 20.0, "batch": 32, "ema": 0.98}
    args: argparse.Namespace = options(__doc__, "flux_tuned.safetensors", **defaults).parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    start = load_flux(args.start or HERE / "flux_fast.safetensors").requires_grad_(False)
    net, judge = copy.deepcopy(start).requires_grad_(), Judge(args.seed)
    for _ in range(16):
        judge.watch(net, 64)
    judge.learn(1500)
    trainer = Trainer(net, args)
    for step in trainer.steps():
        kinds, eps = draw_kinds(args.batch, judge.generator), torch.randn(args.batch, 16, 16, 16)
        x0, distance = rollout(net, start, eps, embed(kinds))
        unlikely = judge.unlikeliness(x0, kinds)
        trainer.descend(unlikely + args.hold * distance + args.real * judge.strangeness(x0), step)
        if step % 20 == 19:
            right = judge.watch(net, 64)
            judge.learn(40)
            print(f"{step + 1}: -log P {unlikely:.2f}, right {right:.2f}", flush=True)


if __name__ == "__main__":
    main()
