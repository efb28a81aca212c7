"""Rewards: images and prompts -> scores, higher is better. Importing this costs no model class."""

from .clip import ClipScore
from .colour_count import ColourCount
from .combine import MODES, CombinedScorer, fresh
from .image_statistics import Brightness, Colourfulness, Sharpness
from .jpeg_size import JpegCompressibility, JpegIncompressibility
from .types import Files, Reward, Scorer

REWARDS: dict[str, type[Reward]] = {
    "brightness": Brightness,
    "clip_score": ClipScore,
    "colour_count": ColourCount,
    "colourfulness": Colourfulness,
    "jpeg_compressibility": JpegCompressibility,
    "jpeg_incompressibility": JpegIncompressibility,
    "sharpness": Sharpness,
}

__all__ = ["MODES", "REWARDS", "CombinedScorer", "Files", "Reward", "Scorer", "fresh"]
