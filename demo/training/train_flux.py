"""Train `flux_base.safetensors` by flow matching: python -m demo.training.train_flux

    x_t = (1 - t) x0 + t eps,        target v = eps - x0

t is logit-normal with its median at 0.7, because the layout of a scene is decided between 0.95 and
0.7. Muon trains the matrices inside the blocks, AdamW the rest. The saved weights are an
exponential moving average. 10 % of the captions are empty, for classifier-free guidance.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..data import HERE, Pool, couple
from ..flux import Flux


class Trainer:
    """Optimisers, rate schedule, moving average and checkpoints of one run of `args.updates`."""

    def __init__(self, net: Flux, args: argparse.Namespace) -> None:
        self.net, self.args, self.loss, self.start = net, args, 0.0, time.time()
        inner, outer = [], []
        for name, weights in net.named_parameters():
            hidden = "blocks" in name and weights.ndim == 2 and "mod" not in name
            (inner if hidden else outer).append(weights)
        self.optimisers = [
            torch.optim.AdamW(outer, betas=(0.9, 0.95), weight_decay=0.01),
            torch.optim.Muon(inner, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        ]
        self.average = {k: v.detach().clone() for k, v in net.state_dict().items()}

    def steps(self) -> Iterator[int]:
        """Number the updates. The rate rises over 100, and falls to 0 over the last two thirds."""
        for step in range(self.args.updates):
            fall = 1.5 * (1 - step / self.args.updates)
            for optimiser in self.optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = self.args.rate * min((step + 1) / 100, 1.0, fall)
            yield step
            if step % 500 == 499:
                self.save(self.args.out)
        self.save(self.args.out)

    def descend(self, loss: Tensor, step: int) -> None:
        """Update the network and the moving average."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        decay = min(self.args.ema, (2 + step) / (11 + step))
        with torch.no_grad():
            for key, value in self.net.state_dict().items():
                self.average[key].lerp_(value, 1 - decay)
        self.loss += (loss.item() - self.loss) * max(0.02, 1 / (step + 1))
        if step % 50 == 49:
            seconds = time.time() - self.start
            print(f"{step + 1} of {self.args.updates}, {seconds:.0f} s, loss {self.loss:.4f}")

    def save(self, path: Path) -> None:
        """Write the moving average as fp16."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.half().contiguous() for k, v in self.average.items()}, path)


def flow_loss(v: Tensor, target: Tensor) -> Tensor:
    """Squared error of the velocity, of its mean over each cell, and of its mean over the image.

    All terms have their minimum at the same v, the conditional mean. Differences within a cell are
    mostly chance (size, angle, place). The sum over the image nearly follows from the caption. So
    the coarse terms teach counting; the fine term hardly does.
    """
    error = v.float() - target
    cell, whole = F.avg_pool2d(error, 4), error.mean((2, 3))
    return error.square().mean() + 4 * cell.square().mean() + 256 * whole.square().mean()


def early_times(n: int) -> Tensor:
    """Uniform times; half of them are drawn from [0.7, 1], where a search computes its rewards."""
    t = torch.rand(n)
    return torch.where(torch.rand(n) < 0.5, 1 - 0.3 * t, t)


def load_flux(path: Path) -> Flux:
    """The network of a checkpoint, in fp32."""
    net = Flux()
    net.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return net


def options(about: str | None, out: str, **defaults: float) -> argparse.ArgumentParser:
    """The command line shared by the training scripts.

    `about` is its description, `out` the name of the output file, `defaults` further options.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", type=Path, default=HERE / out)
    parser.add_argument("--start", type=Path, help="weights to start from")
    shared = {"batch": 64, "ema": 0.998, "seed": 1, "threads": 2}
    for name, value in (shared | defaults).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return parser


def main() -> None:
    defaults = {"updates": 3500, "rate": 2e-3, "pool": 12_000}
    parser = options(__doc__, "flux_base.safetensors", **defaults)
    parser.add_argument(
        "--couple", action="store_true", help="couple cells and noise by optimal transport"
    )
    args: argparse.Namespace = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    pool = Pool(args.pool, args.seed)
    net = load_flux(args.start) if args.start else Flux()
    trainer = Trainer(net, args)
    for step in trainer.steps():
        x0, tokens, pooled = pool.draw(args.batch)
        t, eps = torch.sigmoid(0.8 + 1.2 * torch.randn(len(x0))), torch.randn_like(x0)
        if args.couple:
            x0, t = couple(x0, eps), early_times(len(x0))
        at = t[:, None, None, None]
        with torch.autocast("cpu", torch.bfloat16):
            v = net((1 - at) * x0 + at * eps, t, tokens, pooled)
        trainer.descend(flow_loss(v, eps - x0), step)


if __name__ == "__main__":
    main()
