import io

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS
from pack.rewards.pixels.jpeg_size import jpeg_bytes
from PIL import Image


def noise(size, seed=0):
    return torch.rand(size, size, 3, generator=torch.Generator().manual_seed(seed))


def score(name, image, **settings):
    return float(REWARDS[name](**settings).load().score(image[None], [""])[0])


@pytest.mark.parametrize("quality", [50, 95])
def test_size_is_that_of_the_file(quality):
    image = noise(40)
    buffer = io.BytesIO()
    levels = np.round(image.numpy() * 255).astype(np.uint8)
    Image.fromarray(levels).save(buffer, "JPEG", quality=quality)
    size = len(buffer.getvalue())
    assert jpeg_bytes(image, quality) == size
    assert score("jpeg_incompressibility", image, quality=quality) == pytest.approx(size / 1000)
    assert score("jpeg_compressibility", image, quality=quality) == pytest.approx(-size / 1000)
    per_pixel = score("jpeg_incompressibility", image, quality=quality, unit="bits_per_pixel")
    assert per_pixel == pytest.approx(8 * size / 1600)


def test_order():
    flat = torch.full((64, 64, 3), 0.5)
    assert score("jpeg_compressibility", flat) > score("jpeg_compressibility", noise(64))
    assert score("jpeg_incompressibility", flat) < score("jpeg_incompressibility", noise(64))


def test_bits_per_pixel_hardly_depend_on_resolution():
    small, large = (
        score("jpeg_incompressibility", noise(size), unit="bits_per_pixel") for size in (256, 512)
    )
    assert small == pytest.approx(large, rel=0.02)


def test_values_outside_the_range_are_cut_not_wrapped():
    image = torch.full((16, 16, 3), 1.2)
    assert jpeg_bytes(image, 95) == jpeg_bytes(torch.ones(16, 16, 3), 95)
