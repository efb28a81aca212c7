"""The host's own model classes, built small: what there is, without the host.

`probe/build.py` builds them, filled with random weights. Each keeps its real code path: blocks of
every kind, its patches, its rotary axes, its latent format.
"""

from .clips import CLIPS
from .diffusion import DIFFUSION
from .images import IMAGES
from .packed import PACKED
from .refused import NO_PICTURES, NOT_FROM_NOISE
from .spec import Tiny

RUN: dict[str, Tiny] = IMAGES | CLIPS | PACKED | DIFFUSION
REFUSED: dict[str, Tiny] = NOT_FROM_NOISE | NO_PICTURES
MODELS: dict[str, Tiny] = RUN | REFUSED

__all__ = ["DIFFUSION", "MODELS", "NOT_FROM_NOISE", "PACKED", "REFUSED", "RUN", "Tiny"]
