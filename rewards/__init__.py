"""Rewards: images and prompts -> scores, higher is better. Importing this costs no model class."""

from .aesthetic_v2_5 import AestheticV25
from .channels import KINDS, rgb
from .clip import ClipScore
from .clip_flant5 import ClipFlanT5Score
from .clip_reference import ClipReference
from .clips import reads_clips, score_any
from .colour_count import ColourCount
from .combine import MODES, CombinedScorer, fresh
from .host_vlm import HostVlmScore
from .hps_v2 import HpsV2
from .hps_v3 import HpsV3
from .image_reward import ImageReward
from .image_statistics import Brightness, Colourfulness, Sharpness
from .instructblip import InstructBlipScore
from .jpeg_size import JpegCompressibility, JpegIncompressibility
from .laion_aesthetic import LaionAesthetic
from .loading import load_scorer
from .mps import Mps
from .object_count import ObjectCount
from .owl_count import OwlCount
from .siglip import SiglipScore
from .temporal import TemporalConsistency
from .types import Files, Reward, Scorer, maximum_of, pictures_at_once
from .video import Video
from .vlm import VlmScore
from .vqa_http import VqaHttp

REWARDS: dict[str, type[Reward]] = {
    "aesthetic_v2_5": AestheticV25,
    "brightness": Brightness,
    "clip_reference": ClipReference,
    "clip_score": ClipScore,
    "colour_count": ColourCount,
    "colourfulness": Colourfulness,
    "hps_v2": HpsV2,
    "hps_v3": HpsV3,
    "image_reward": ImageReward,
    "jpeg_compressibility": JpegCompressibility,
    "jpeg_incompressibility": JpegIncompressibility,
    "laion_aesthetic": LaionAesthetic,
    "mps": Mps,
    "object_count": ObjectCount,
    "object_count_owl": OwlCount,
    "sharpness": Sharpness,
    "siglip_score": SiglipScore,
    "temporal_consistency": TemporalConsistency,
    "video": Video,
    "vqascore": ClipFlanT5Score,
    "vqascore_host": HostVlmScore,
    "vqascore_http": VqaHttp,
    "vqascore_instructblip": InstructBlipScore,
    "vqascore_vlm": VlmScore,
}

__all__ = [
    "KINDS",
    "MODES",
    "REWARDS",
    "CombinedScorer",
    "Files",
    "Reward",
    "Scorer",
    "fresh",
    "load_scorer",
    "maximum_of",
    "pictures_at_once",
    "reads_clips",
    "rgb",
    "score_any",
]
