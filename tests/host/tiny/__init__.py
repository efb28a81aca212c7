"""The host's own model classes, built small: what there is, without the host.

`probe/build.py` builds them, filled with random weights. Each keeps its real code path: blocks of
every kind, its patches, its rotary axes, its latent format.
"""

from .clips import CLIPS
from .images import IMAGES
from .refused import NO_PICTURES, NOT_FLOW
from .spec import Tiny

RUN: dict[str, Tiny] = IMAGES | CLIPS
REFUSED: dict[str, Tiny] = NOT_FLOW | NO_PICTURES
MODELS: dict[str, Tiny] = RUN | REFUSED

__all__ = ["CLIPS", "IMAGES", "MODELS", "NOT_FLOW", "NO_PICTURES", "REFUSED", "RUN", "Tiny"]
