"""Fine-tune a few-step model on its counts: python -m demo.training.finetune

Reward gradients through the whole sampler (DRaFT, arXiv 2309.17400). A small reader names what each
cell of a latent holds; cells taken as independent, the count of a kind is Poisson-binomial, so the
likelihood of the counts asked is known exactly and differentiable. The network is rolled out over
`STEPS` steps and climbs that likelihood, held to cells that look like real ones and, lightly, to
the velocities it had. The reader stays honest: all the while it is taught, by the same likelihood,
what the pack's own counter finds in the network's newest pictures. Captions are those of training:
none has a held-out triple. What comes out is right in those steps and good for no others: reflow
makes a flow model of it again.
"""

import argparse
import copy

import torch
import torch.nn.functional as F
from pack.rewards.count.colour_shapes import colour_counts
from torch import Tensor

from ..data import HERE, load_decoder, load_encoder, patch_projection, to_cells
from ..flux import Flux
from ..reader import Reader, asked, by_colour, count_loss
from ..scenes import CELL, COLOURS, GRID, SHAPES, draw_kinds, draw_pictures
from ..taesd import narrowed
from ..text import embed
from .reflow import follow
from .train_flux import Trainer, load_flux, options

STEPS = 4


class Judge:
    """The reader, its optimiser and what it has been shown: real scenes and counted samples."""

    def __init__(self, seed: int) -> None:
        self.reader, self.decoder = Reader(), narrowed(load_decoder()).bfloat16()
        self.decoder = self.decoder.to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(self.reader.parameters(), lr=1e-3, weight_decay=0.01)
        self.generator = torch.Generator().manual_seed(seed)
        self.real = self._real(3000)
        cells, held = to_cells(self.real[0]).flatten(0, 1), self.real[1].flatten() > 0
        self.bank = torch.cat((cells[held], cells[~held][:2000])).bfloat16()
        self.latents, self.found = torch.empty(0, 16, 16, 16), torch.empty(0, 6, dtype=torch.long)

    def _real(self, n: int) -> tuple[Tensor, Tensor]:
        """Scenes of one kind each, their latents (n, 16, 16, 16) and what each cell holds."""
        kinds = draw_kinds(n, self.generator)
        kinds[:, 1:] = 0
        pictures = draw_pictures(kinds, self.generator)
        middle = pictures.unfold(2, CELL, CELL).unfold(3, CELL, CELL).amin((1, -1, -2)).flatten(1)
        label = 1 + kinds[:, 0, 1] * len(SHAPES) + kinds[:, 0, 2]
        with torch.no_grad():
            matrix, bias = patch_projection(load_encoder())
            patches = pictures.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5)
            latents = (patches.flatten(3) @ matrix + bias).permute(0, 3, 1, 2).contiguous()
        return latents, torch.where(middle < 0.75, label[:, None], 0)

    def unlikeliness(self, x0: Tensor, kinds: Tensor) -> Tensor:
        """-log P of the counts that `kinds` ask for; the reader itself does not learn from it."""
        self.reader.requires_grad_(False)
        loss = count_loss(self.reader(x0)[..., 1:], asked(kinds), 1e-40)
        self.reader.requires_grad_(True)
        return loss

    def strangeness(self, x0: Tensor) -> Tensor:
        """Mean squared distance of each cell to the nearest real one: scenes are made of cells."""
        cells = to_cells(x0).flatten(0, 1)
        with torch.no_grad():
            rows = cells.bfloat16() @ self.bank.mT
            nearest = (0.5 * self.bank.float().square().sum(1) - rows.float()).argmin(1)
        return (cells - self.bank[nearest].float()).square().mean()

    def watch(self, net: Flux, n: int) -> float:
        """Count `n` new pictures of the network, keep the last 4096; how often it was right."""
        with torch.no_grad():
            kinds = draw_kinds(n, self.generator)
            eps = torch.randn(n, 16, 16, 16, generator=self.generator)
            x0 = follow(net, eps, *embed(kinds), STEPS)[-1]
            seen = self.decoder(x0.bfloat16()).float().clamp(0, 1).permute(0, 2, 3, 1)
        found = torch.tensor([[colour_counts(p)[c] for c in COLOURS] for p in seen])
        self.latents = torch.cat((self.latents, x0))[-4096:]
        self.found = torch.cat((self.found, found.clamp(max=GRID**2)))[-4096:]
        wanted = asked(kinds).unflatten(1, (len(COLOURS), len(SHAPES))).sum(-1)
        return (found == wanted).all(1).float().mean().item()

    def learn(self, updates: int) -> None:
        """Teach the reader real cells, with smooth labels, and the counts found in samples."""
        for _ in range(updates):
            row = torch.randint(len(self.real[0]), (64,), generator=self.generator)
            named = self.reader(self.real[0][row]).flatten(0, 1).log()
            loss = F.nll_loss(named, self.real[1][row].flatten()) - 0.05 * named.mean()
            row = torch.randint(len(self.latents), (64,), generator=self.generator)
            loss += count_loss(by_colour(self.reader(self.latents[row])), self.found[row])
            loss.backward()
            self.optimiser.step()
            self.optimiser.zero_grad()


def rollout(
    net: Flux, start: Flux, eps: Tensor, text: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The sample after `STEPS` Euler steps, and the mean squared distance of the velocities."""
    x, apart = eps, torch.zeros(())
    for k in range(STEPS):
        t = torch.full((len(x),), 1 - k / STEPS)
        with torch.autocast("cpu", torch.bfloat16):
            v = net(x, t, *text)
            with torch.no_grad():
                held = start(x.detach(), t, *text)
        apart = apart + (v.float() - held.float()).square().mean() / STEPS
        x = x - v.float() / STEPS
    return x, apart


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
        x0, apart = rollout(net, start, eps, embed(kinds))
        unlikely = judge.unlikeliness(x0, kinds)
        trainer.descend(unlikely + args.hold * apart + args.real * judge.strangeness(x0), step)
        if step % 20 == 19:
            right = judge.watch(net, 64)
            judge.learn(40)
            print(f"{step + 1}: -log P {unlikely:.2f}, right {right:.2f}", flush=True)


if __name__ == "__main__":
    main()
