"""Train the demo model's diffusion twin: python -m demo.training.train_diffusion --prediction eps

The same network, scenes and optimisers as for `flux_base.safetensors`, but SDXL's noise schedule,
uniform timesteps, and a network that predicts eps or v (`demo/diffusion.py`). It starts from
`flux_base.safetensors`, which knows the scenes, and learns the other inputs and outputs. Errors of
eps weigh sigma (arXiv 2310.08442), so that the large sigmas, which decide the layout, count.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data import HERE, Pool
from ..diffusion import PREDICTIONS, SIGMAS, TIMESTEPS, parts
from ..flux import Flux, waves
from .train_flux import Trainer, flow_loss, load_flux, options


def learn_timesteps(net: Flux, updates: int = 2000) -> float:
    """Fit the embedding of each timestep to that of the time t at which the flow has its sigma.

    Returns: the share of the embeddings' variance that the fit misses.
    """
    times = (SIGMAS / (1.0 + SIGMAS)).float()
    with torch.no_grad():
        target = net.time_in(waves(times))
    inputs = waves(torch.arange(TIMESTEPS) / TIMESTEPS)
    optimiser = torch.optim.Adam(net.time_in.parameters(), 1e-3)
    for _ in range(updates):
        loss = F.mse_loss(net.time_in(inputs), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item() / target.var().item()


def weights(prediction: str, sigma: Tensor) -> Tensor:
    """Weights (n,) of the squared errors at `sigma` (n,), about 1 on average."""
    if prediction == "v":
        return torch.ones_like(sigma)
    return sigma.clamp(min=0.2) / SIGMAS.clamp(min=0.2).mean()


def main() -> None:
    parser = options(__doc__, "", updates=800, rate=1e-3, pool=12_000)
    parser.add_argument("--prediction", choices=PREDICTIONS, default="eps")
    args: argparse.Namespace = parser.parse_args()
    if args.out == HERE:
        args.out = Path("demo_build") / f"diffusion_{args.prediction}.safetensors"
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    net = load_flux(args.start or HERE / "flux_base.safetensors")
    if not args.start:
        learn_timesteps(net)
    pool, trainer = Pool(args.pool, args.seed), Trainer(net, args)
    for step in trainer.steps():
        x0, tokens, pooled = pool.draw(args.batch)
        index, eps = torch.randint(TIMESTEPS, (len(x0),)), torch.randn_like(x0)
        a, s = (part.float()[:, None, None, None] for part in parts(SIGMAS[index]))
        with torch.autocast("cpu", torch.bfloat16):
            answer = net(a * x0 + s * eps, index / TIMESTEPS, tokens, pooled)
        target = eps if args.prediction == "eps" else a * eps - s * x0
        scale = weights(args.prediction, SIGMAS[index]).sqrt().float()[:, None, None, None]
        trainer.descend(flow_loss(scale * answer.float(), scale * target), step)


if __name__ == "__main__":
    main()
