"""Build the encoder from principal components, then train the decoder: python -m
demo.training.train_autoencoder

Loss: mean absolute error + 4 x mean square, pixels of shapes and their rims counted more, on
latents with a little noise added, so that the decoder forgives what a flow model gets slightly
wrong. AdamW, no normalisation in the net.
"""

import argparse
import time

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..data import HERE, load_decoder, load_encoder, patch_projection
from ..scenes import draw_kinds, draw_pictures
from ..taesd import NARROW, Decoder, linear_encoder, narrowed, widened


def patches(pictures: Tensor) -> Tensor:
    """(n, 3, H, W) -> (n, H/8, W/8, 192)."""
    return pictures.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3)


def build_encoder(generator: torch.Generator) -> None:
    """Principal components of the patches of 2,048 scenes, into `taef1_encoder.safetensors`."""
    rows = patches(draw_pictures(draw_kinds(2048, generator), generator)).flatten(0, 2).double()
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--encoder-only", action="store_true")
    parser.add_argument("--go-on", action="store_true", help="start from the shipped decoder")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    if not args.go_on:
        build_encoder(generator)
    if args.encoder_only:
        return
    matrix, bias = patch_projection(load_encoder())
    net = narrowed(load_decoder()).requires_grad_() if args.go_on else Decoder(NARROW)
    net = net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), args.rate, betas=(0.9, 0.95), weight_decay=1e-4)
    start, step, spent, pictures = time.time(), 0, 0.0, torch.empty(0)
    while spent < 1:
        if step % 64 == 0:
            pictures = draw_pictures(draw_kinds(64 * args.batch, generator), generator)
            pictures = (
                pictures.unfold(2, 64, 64)
                .unfold(3, 64, 64)
                .permute(0, 2, 3, 1, 4, 5)
                .reshape(-1, 3, 64, 64)
            )
            pictures = pictures[
                torch.randperm(len(pictures), generator=generator)[: 64 * args.batch]
            ]
        picture = pictures[step % 64 * args.batch :][: args.batch]
        latent = (patches(picture) @ matrix + bias).permute(0, 3, 1, 2)
        latent = latent + args.noise * torch.randn(latent.shape, generator=generator)
        error = net(latent.to(memory_format=torch.channels_last)) - picture
        weight = 1 + 4 * ((picture.amax(1, keepdim=True) - picture.amin(1, keepdim=True)) > 0.15)
        loss = (weight * (error.abs() + 4 * error.square())).mean()
        spent = (time.time() - start) / 60 / args.minutes
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min((step + 1) / 100, max(0.02, 1 - spent))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimiser.step()
        step += 1
        if step % 100 == 0:
            print(
                step,
                round(spent, 3),
                "loss",
                loss.item(),
                "mae",
                error.abs().mean().item(),
                flush=True,
            )
        if step % 500 == 0 or spent >= 1:
            wide = {k: v.half().contiguous() for k, v in widened(net).state_dict().items()}
            save_file(wide, HERE / "taef1_decoder.safetensors")


if __name__ == "__main__":
    main()
