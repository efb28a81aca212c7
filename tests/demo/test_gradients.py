"""Gradients through the demo model's network, decoder and a reward, against finite differences."""

import pytest
import torch
from pack.demo.data import load_decoder
from pack.demo.taesd import narrowed
from pack.demo.text import encode
from pack.demo.training.train_flux import load_flux
from pack.rewards.pixels.image_statistics import colourfulness, sharpness
from pack.samplers.guidance import DPS, TorchGradients

from .test_flux_twin import DEMO

STEP = 1e-7  # so short that hardly a ReLU and no pixel's clamp turns over on the way
T = 0.8


@pytest.fixture(scope="module")
def world():
    net = load_flux(DEMO / "flux_fast.safetensors").double().requires_grad_(False)
    decoder = narrowed(load_decoder()).double()
    tokens, pooled = (part.double() for part in encode(["three red circles and two blue squares"]))

    def denoise(x, t):
        return net.denoise(x, x.new_full((len(x),), t), tokens, pooled)

    def pictures(x0):
        return decoder(x0).movedim(1, -1).clamp(0.0, 1.0)

    return denoise, pictures


@pytest.mark.parametrize("measure", [colourfulness, sharpness])
def test_through_network_decoder_and_reward(world, measure, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # norms and angles too
    denoise, pictures = world
    generator = torch.Generator().manual_seed(0)
    x, *ways = torch.randn(3, 1, 16, 16, 16, generator=generator, dtype=torch.float64)

    def value(x0):
        return torch.stack([measure(picture) for picture in pictures(x0)])

    slope = DPS().slope(TorchGradients(value, denoise), x, denoise(x, T), T)
    for way in ways:
        up, down = (value(denoise(x + sign * STEP * way, T)) for sign in (1.0, -1.0))
        wanted = float(up - down) / (2 * STEP)
        assert float((slope * way).sum()) == pytest.approx(wanted, rel=1e-6)
