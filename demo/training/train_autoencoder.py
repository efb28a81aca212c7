"""Build the encoder from principal components, then train the decoder.

    python -m demo.training.train_autoencoder

    loss = mean absolute error + 4 x mean square error

Pixels of shapes and their rims weigh more. A little noise is added to the latents, so that the
decoder tolerates the small errors of a flow model. AdamW, no normalisation in the network.
"""

import argparse
import time
from collections.abc import Iterator

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..data import HERE, load_decoder, load_encoder, patch_projection
from ..scenes import draw_images, draw_kinds
from ..taesd import NARROW, Decoder, linear_encoder, narrowed, widened


def patches(images: Tensor) -> Tensor:
    """Images (n, 3, H, W) -> patches (n, H/8, W/8, 192)."""
    return images.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3)


def build_encoder(generator: torch.Generator) -> None:
    """Write `taef1_encoder.safetensors`, from the principal components of 2,048 scenes."""
    rows = patches(draw_images(draw_kinds(2048, generator), generator)).flatten(0, 2).double()
    mean = rows.mean(0)
    variance, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
    variance, vectors = variance.flip(0)[:16], vectors.flip(1)[:, :16].T
    vectors = vectors * vectors.sum(1, keepdim=True).sign()
    scale = variance.rsqrt() * (variance / variance[0]) ** 0.15
    codes = rows @ vectors.T
    middle = (codes.amin(0) + codes.amax(0)) / 2
    print("explained", (variance.sum() / rows.var(0).sum()).item())
    print(
        "std",
        (codes.std(0) * scale).tolist(),
        "reach",
        ((codes - middle).abs().amax(0) * scale).tolist(),
    )
    net = linear_encoder(vectors.view(16, 3, 8, 8).float(), middle.float(), scale.float())
    save_file(
        {k: v.half().contiguous() for k, v in net.state_dict().items()},
        HERE / "taef1_encoder.safetensors",
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--encoder-only", action="store_true")
    parser.add_argument("--go-on", action="store_true", help="start from the decoder of the pack")
    return parser.parse_args()


def crops(batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Random 64 x 64 crops of new scenes, (batch, 3, 64, 64), without end."""
    while True:
        images = draw_images(draw_kinds(64 * batch, generator), generator)
        tiles = images.unfold(2, 64, 64).unfold(3, 64, 64)
        tiles = tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 64, 64)
        tiles = tiles[torch.randperm(len(tiles), generator=generator)[: 64 * batch]]
        for i in range(64):
            yield tiles[i * batch :][:batch]


def decoder_loss(error: Tensor, image: Tensor) -> Tensor:
    """Absolute and squared `error` (n, 3, H, W); pixels with colour weigh 5 times as much."""
    weight = 1 + 4 * ((image.amax(1, keepdim=True) - image.amin(1, keepdim=True)) > 0.15)
    return (weight * (error.abs() + 4 * error.square())).mean()


def descend(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """One update of the decoder.

    Args:
        optimiser: of the decoder.
        loss: a scalar.
        rate: the learning rate.
    """
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    torch.nn.utils.clip_grad_norm_(weights, 0.5)
    optimiser.step()


def save_decoder(net: Decoder) -> None:
    """Write `taef1_decoder.safetensors` in the 64-wide layout, as fp16."""
    wide = {k: v.half().contiguous() for k, v in widened(net).state_dict().items()}
    save_file(wide, HERE / "taef1_decoder.safetensors")


def train_decoder(args: argparse.Namespace, generator: torch.Generator) -> None:
    """Train for `args.minutes` minutes."""
    matrix, bias = patch_projection(load_encoder())
    net = narrowed(load_decoder()).requires_grad_() if args.go_on else Decoder(NARROW)
    net = net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), args.rate, betas=(0.9, 0.95), weight_decay=1e-4)
    start = time.time()
    for step, image in enumerate(crops(args.batch, generator), 1):
        latent = (patches(image) @ matrix + bias).permute(0, 3, 1, 2)
        latent = latent + args.noise * torch.randn(latent.shape, generator=generator)
        error = net(latent.to(memory_format=torch.channels_last)) - image
        loss = decoder_loss(error, image)
        spent = (time.time() - start) / 60 / args.minutes
        descend(optimiser, loss, args.rate * min(step / 100, max(0.02, 1 - spent)))
        if step % 100 == 0:
            mae = error.abs().mean().item()
            print(step, round(spent, 3), "loss", loss.item(), "mae", mae, flush=True)
        if step % 500 == 0 or spent >= 1:
            save_decoder(net)
        if spent >= 1:
            return


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    if not args.go_on:
        build_encoder(generator)
    if not args.encoder_only:
        train_decoder(args, generator)


if __name__ == "__main__":
    main()
