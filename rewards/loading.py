"""Loading a reward so that its scores can have a gradient, wherever it is loaded."""

import torch

from .types import Files, Reward, Scorer


def load_scorer(reward: Reward, files: Files | None = None) -> Scorer:
    """What ``reward.load`` gives, built outside inference mode.

    The host runs its nodes inside, and a tensor made there knows no gradient, even later.
    """
    with torch.inference_mode(False):
        return reward.load(files)
