"""Field 17: pictures with alpha, or of one channel, as a reward sees them."""

import pytest
import torch
from pack.rewards import REWARDS, Files, rgb
from pack.rewards.pixels.channels import KINDS

from .test_clip import build as build_clip


def test_three_channels_are_as_they_were():
    images = torch.rand(2, 4, 5, 3)
    assert rgb(images) is images


def test_grey():
    images = torch.rand(2, 4, 5, 1)
    found = rgb(images)
    assert found.shape == (2, 4, 5, 3)
    assert all(torch.equal(found[..., i], images[..., 0]) for i in range(3))


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 3, 4, 5)], ids=["pictures", "clips"])
def test_alpha_goes_over_white(shape):
    """By hand: what is clear is white, what is solid is itself, half is between."""
    colour = torch.rand(*shape, 3)
    for alpha, wanted in [(0.0, torch.ones_like(colour)), (1.0, colour), (0.5, colour / 2 + 0.5)]:
        found = rgb(torch.cat([colour, torch.full((*shape, 1), alpha)], -1))
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    grey = torch.rand(*shape, 1)
    found = rgb(torch.cat([grey, torch.full((*shape, 1), 0.25)], -1))
    torch.testing.assert_close(found, (grey * 0.25 + 0.75).expand(*shape, 3))


def test_alpha_is_cut_to_what_it_may_be():
    images = torch.tensor([0.2, 0.4, 0.6, 1.5, 0.2, 0.4, 0.6, -0.5]).view(1, 1, 2, 4)
    torch.testing.assert_close(rgb(images)[0, 0], torch.tensor([[0.2, 0.4, 0.6], [1.0] * 3]))


@pytest.mark.parametrize("channels", KINDS)
def test_gradients_and_nan_pass(channels):
    images = torch.rand(1, 2, 2, channels, requires_grad=True)
    rgb(images).sum().backward()
    assert images.grad.isfinite().all() and images.grad.any()
    broken = images.detach().clone()
    broken[0, 0, 0, -1] = float("nan")
    assert rgb(broken)[0, 0, 0].isnan().all()


@pytest.mark.parametrize("channels", [0, 5, 12])
def test_other_channels_are_refused(channels):
    with pytest.raises(ValueError, match=f"channels: got {channels}, expected 3 ") as e:
        rgb(torch.rand(1, 2, 2, channels))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("channels", KINDS)
def test_a_reference_picture_is_seen_without_its_alpha(channels, tmp_path):
    """As the host's own nodes load one."""
    build_clip(tmp_path)
    given = torch.rand(1, 40, 32, channels)
    colours = given[..., : 3 if channels == 4 else 1].expand(1, 40, 32, 3)
    reward = REWARDS["clip_reference"]
    seen, same = (
        reward(checkpoint=str(tmp_path), mode="cosine", reference=picture).load(Files())
        for picture in (given, colours)
    )
    assert torch.equal(seen.reference, same.reference)
    images = torch.rand(2, 40, 32, 3)
    assert torch.equal(seen.score(images, ["", ""]), same.score(images, ["", ""]))
