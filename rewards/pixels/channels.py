"""Images with alpha or one channel, converted to the three channels that a reward looks at."""

import torch

KINDS = {
    1: "one channel: it is shown as grey",
    2: "grey and alpha: they are shown over white",
    4: "alpha: it is shown over white",
}


def has_alpha(images: torch.Tensor) -> bool:
    """Whether the last channel of images (…, C) is alpha."""
    return images.shape[-1] in (2, 4)


def rgb(images: torch.Tensor) -> torch.Tensor:
    """Images (…, C) in [0, 1] -> (…, 3), differentiable. Three channels stay as they are.

    Grey (1 channel) becomes R = G = B. With alpha (the last of 2 or 4 channels, clamped to [0, 1])
    a colour c is put over white: c * alpha + 1 - alpha.

    Raises:
        ValueError: C is not 1, 2, 3 or 4.
    """
    channels = images.shape[-1]
    if channels == 3:
        return images
    if channels not in KINDS:
        raise ValueError(
            f"The images have the wrong number of channels: got {channels}, expected 3 (RGB), "
            "1 (grey), or 4 or 2 (with alpha)."
        )
    if has_alpha(images):
        alpha = images[..., -1:].clamp(0.0, 1.0)
        images = images[..., :-1] * alpha + (1.0 - alpha)
    return images.expand(*images.shape[:-1], 3) if images.shape[-1] == 1 else images
