"""The shipped weights load through the host's stock loaders, and the twins compute what the host
computes."""

import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

DEMO = Path(__file__).resolve().parents[2] / "demo"


@pytest.fixture(scope="module")
def comfy():
    """The host's modules, on the CPU."""
    path = os.environ.get("COMFYUI_PATH")
    if not path:
        pytest.skip("COMFYUI_PATH is not set")
    sys.path.insert(0, path)
    argv, sys.argv = sys.argv, ["x", "--cpu"]
    try:
        import comfy.options

        comfy.options.enable_args_parsing()
        import comfy.sd

        yield comfy
    finally:
        sys.argv = argv
        sys.path.remove(path)


@pytest.mark.parametrize("name", ["flux_base", "flux_fast"])
@torch.inference_mode()
def test_flux(comfy, name: str):
    from pack.demo.text import encode
    from pack.demo.training.train_flux import load_flux

    patcher = comfy.sd.load_diffusion_model(
        str(DEMO / f"{name}.safetensors"), {"dtype": torch.float32}
    )
    assert patcher.model.model_type.name == "FLOW" and patcher.model.model_sampling.shift == 1.0
    host, twin = patcher.model.diffusion_model.float(), load_flux(DEMO / f"{name}.safetensors")
    x = torch.randn(2, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    tokens, pooled = encode(["three red circles and two blue squares", ""])
    for t in (1.0, 0.7, 0.05):
        times = torch.full((2,), t)
        ours, theirs = twin(x, times, tokens, pooled), host(x, times, tokens, y=pooled)
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)
        x0 = patcher.model.apply_model(x, times, c_crossattn=tokens, y=pooled)
        torch.testing.assert_close(twin.denoise(x, times, tokens, pooled), x0, atol=2e-4, rtol=0)


@torch.inference_mode()
def test_autoencoder(comfy):
    from pack.demo.data import load_decoder, load_encoder
    from pack.demo.scenes import draw_images, draw_kinds
    from pack.demo.taesd import narrowed

    parts = {part: load_file(DEMO / f"taef1_{part}.safetensors") for part in ("encoder", "decoder")}
    sd = {
        f"taesd_{part}.{key}": value for part, keys in parts.items() for key, value in keys.items()
    }
    vae = comfy.sd.VAE(sd | {"vae_scale": torch.tensor(0.3611), "vae_shift": torch.tensor(0.1159)})
    generator = torch.Generator().manual_seed(0)
    pictures = draw_images(draw_kinds(4, generator), generator)
    latents = load_encoder()(pictures)
    host_latents = vae.encode(pictures.movedim(1, -1))
    torch.testing.assert_close((host_latents - 0.1159) * 0.3611, latents, atol=1e-3, rtol=0)
    decoded = load_decoder()(latents)
    torch.testing.assert_close(
        vae.decode(host_latents).movedim(-1, 1), decoded.clamp(0, 1), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(narrowed(load_decoder())(latents), decoded, atol=1e-4, rtol=0)
    assert (decoded - pictures).abs().mean() < 0.02
