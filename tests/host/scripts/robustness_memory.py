"""Run by robustness.py: a search that runs out of memory, and the same without.

Arguments: ComfyUI's folder, the budget, a seed. Prints one JSON object.
"""

import json
import sys

from host_in_process import ARGUMENTS  # isort: skip

import torch
from pack.tests.host.helpers.allocator import Allocator
from pack.tools.probing.simulated import (
    LARGE,
    MB,
    TIGHT,
    Shortage,
    anything,
    counts,
    hashed,
    searched,
)

BUDGET, SEED = map(int, ARGUMENTS)
LATENT = {"samples": torch.zeros(1, 16, 8, 8)}
SMALL = 40 * MB  # holds all weights, not what the decoder asks for
PATHS = 4  # children that are decoded together


def compared(told, images, reference):
    """What differs from the search on a large device."""
    other, pictures = reference
    rewards = [[row["reward"] for row in report["trace"]] for report in (told, other)]
    pairs = zip(*rewards, strict=True)
    return {
        "candidates": len(rewards[0]),
        "unloads": counts["unloads"],
        "best": told["best"]["id"],
        "picture": hashed(images[0]),
        "reward_differs": max(abs(a - b) for a, b in pairs),
        "picture_differs": float((images - pictures).abs().max()),
    }


with torch.inference_mode():
    found, reference = {}, None
    for name, memory, share, limit in (
        ("large", LARGE, 0.0, LARGE),
        ("small", SMALL, 0.0, LARGE),
        ("small, and runs out", SMALL, 0.05, LARGE),
        ("allocator", LARGE, 0.0, TIGHT),
    ):
        with Shortage(share, SEED) as shortage, Allocator(limit) as allocator:
            more = {"budget": BUDGET, "latent_image": LATENT, "top_k": 2}
            inputs = {"particles": 12 // PATHS, "paths": PATHS} | more
            _, images, told, _ = searched(memory, anything, **inputs)
        reference = reference or (told, images)
        raised = shortage.raised | ({"tensor": allocator.refused} if allocator.refused else {})
        found[name] = compared(told, images, reference) | {"raised": raised}
sys.stdout.write(json.dumps(found) + "\n")
