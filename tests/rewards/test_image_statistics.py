import math

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS
from pack.rewards.pixels.image_statistics import colourfulness, mean_luma, sharpness


def picture(seed=0, size=12, dtype=torch.float64):
    return torch.rand(size, size + 3, 3, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def plain(rgb, size=8):
    return torch.tensor(rgb, dtype=torch.float64).expand(size, size, 3)


@pytest.mark.parametrize("measure", [mean_luma, colourfulness, sharpness])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_against_finite_differences(measure, seed):
    image = picture(seed, 7).requires_grad_()
    assert torch.autograd.gradcheck(measure, image, eps=1e-6, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("measure", [mean_luma, colourfulness, sharpness])
def test_gradient_is_finite_on_a_flat_picture(measure):
    image = torch.full((6, 6, 3), 0.5, requires_grad=True)
    measure(image).backward()
    assert torch.isfinite(image.grad).all()


def test_brightness():
    for rgb, value in [((1, 0, 0), 0.299), ((0, 1, 0), 0.587), ((0, 0, 1), 0.114), ((1, 1, 1), 1)]:
        assert mean_luma(plain(rgb)).item() == pytest.approx(value)
    images = torch.stack([plain((v, v, v)) for v in (0.0, 0.4, 1.0)]).float()
    scores = REWARDS["brightness"](target=0.7).load().score(images, ["", "", ""])
    assert scores.tolist() == pytest.approx([-0.7, -0.3, -0.3])
    images.requires_grad_()
    REWARDS["brightness"](target=0.7).load().score(images, ["", "", ""])[1].backward()
    assert (images.grad[1] > 0).all() and (images.grad[0] == 0).all()


def test_colourfulness_equals_the_formula_with_signed_means():
    rgb = 255 * picture(3).numpy()
    rg = rgb[..., 0] - rgb[..., 1]
    yb = (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
    wanted = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert colourfulness(picture(3)).item() == pytest.approx(wanted)
    # Opposite colours cancel in a signed mean, not in a mean of magnitudes.
    halves = torch.cat([plain((1, 0, 0.5)), plain((0, 1, 0.5))])
    assert colourfulness(halves).item() == pytest.approx(255.0, abs=1e-4)
    assert colourfulness(plain((0.4, 0.4, 0.4))).item() == pytest.approx(0.0, abs=1e-5)


def test_sharpness_has_no_border_and_orders_blur():
    assert sharpness(plain((0.3, 0.5, 0.9))).item() == pytest.approx(0.0)
    ramp = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None, None].expand(9, 7, 3)
    assert sharpness(ramp).item() == pytest.approx(0.0, abs=1e-9)
    spike = torch.zeros(5, 5, 3, dtype=torch.float64)
    spike[2, 2] = 1.0
    inner = np.zeros((3, 3))
    inner[1, 1], inner[[0, 1, 1, 2], [1, 0, 2, 1]] = -4 * 255, 255
    assert sharpness(spike).item() == pytest.approx(math.log1p(inner.var()))
    noise = picture(1, 32)
    soft = torch.nn.functional.avg_pool2d(noise.permute(2, 0, 1)[None], 3, 1)[0].permute(1, 2, 0)
    assert sharpness(noise) > sharpness(soft) > sharpness(plain((0.5, 0.5, 0.5)))
    with pytest.raises(ValueError, match=r"got shape \(2, 8, 3\), expected at least 3 x 3"):
        sharpness(torch.zeros(2, 8, 3))


@pytest.mark.parametrize("name", ["brightness", "colourfulness", "sharpness"])
def test_half_precision_pictures(name):
    """Of the host's --fp16-intermediates: black and white differ by more than float16 squares."""
    checks = (torch.arange(9)[:, None] + torch.arange(9)) % 2
    halves = torch.stack([checks[..., None].expand(9, 9, 3), picture(5, 9)[:, :9]]).half()
    scorer = REWARDS[name]().load()
    half, whole = (scorer.score(images, ["", ""]) for images in (halves, halves.float()))
    assert half.isfinite().all() and torch.equal(half, whole)
