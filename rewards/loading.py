"""Loading a reward outside inference mode, so that its scores can have a gradient."""

import torch

from .types import Files, Reward, Scorer


def load_scorer(reward: Reward, files: Files | None = None) -> Scorer:
    """The scorer of `reward`, built outside inference mode.

    The host runs nodes in inference mode. A tensor made there can never have a gradient.
    """
    with torch.inference_mode(False):
        return reward.load(files)
