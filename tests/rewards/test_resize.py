import pytest
import torch
import torch.nn.functional as F
from pack.rewards.count.object_count import dino_pixels
from pack.rewards.count.owl_count import owl_pixels
from pack.rewards.likeness.clip_pixels import clip_pixels, padded_pixels
from pack.rewards.likeness.siglip import siglip_pixels
from pack.rewards.pixels.resize import resizable, resized
from pack.rewards.question.qwen_pixels import qwen_patches

SHOWN = {
    "clip": lambda images: clip_pixels(images, 32),
    "hps_v2": lambda images: padded_pixels(images, 32),
    "siglip": lambda images: siglip_pixels(images, 32),
    "grounding dino": lambda images: dino_pixels(images, 32),
    "owl": lambda images: owl_pixels(images, 32),
    "qwen": lambda images: qwen_patches(images[0], 56 * 56)[0],
}


class OnMps(torch.Tensor):
    """A tensor that says it is on MPS, and has no more than that can do."""

    device = property(lambda self: torch.device("mps"))

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is F.interpolate and (kwargs or {}).get("antialias"):
            raise NotImplementedError("not implemented for the MPS device")
        return super().__torch_function__(function, types, args, kwargs)

    def cpu(self):
        return self.as_subclass(OnCpu)


class OnCpu(torch.Tensor):
    """One that was moved, and that can be moved back."""

    def to(self, device):
        assert device == torch.device("mps")
        return self.as_subclass(OnMps)


def pictures():
    return torch.rand(2, 40, 48, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", SHOWN)
def test_a_gradient_on_mps(name):
    there, here = pictures().requires_grad_(), pictures().requires_grad_()
    found, wanted = SHOWN[name](there.as_subclass(OnMps)), SHOWN[name](here)
    assert type(found) is OnMps and torch.equal(found.as_subclass(torch.Tensor), wanted)
    found.as_subclass(torch.Tensor).square().sum().backward()
    wanted.square().sum().backward()
    assert here.grad.abs().sum() > 0 and torch.equal(there.grad, here.grad)


def test_elsewhere_nothing_is_moved():
    planes = pictures().permute(0, 3, 1, 2)
    assert resizable(planes) is planes and resized(planes, (40, 48), "bicubic") is planes
    wanted = F.interpolate(planes, (32, 20), mode="bilinear", antialias=True)
    assert torch.equal(resized(planes, (32, 20), "bilinear"), wanted)
