"""Rewards: images and prompts -> scores, higher is better. Importing it imports no model class."""

from .clips.frames import (
    blame_any,
    fresh,
    items_any,
    learned,
    learns,
    reads_clips,
    score_any,
    score_groups,
    taught,
)
from .clips.temporal import TemporalConsistency
from .clips.video import Video
from .clips.video_reward import VideoReward
from .combine.modes import MODES
from .combine.scorer import CombinedScorer
from .count.colour_count import ColourCount
from .count.object_count import ObjectCount
from .count.owl_count import OwlCount
from .count.shape_count import ShapeCount
from .likeness.classifier import Classifier
from .likeness.clip import ClipScore
from .likeness.clip_reference import ClipReference
from .likeness.dino_reference import DinoReference
from .likeness.siglip import SiglipScore
from .pixels.channels import KINDS, rgb
from .pixels.image_statistics import Brightness, Colourfulness, Sharpness
from .pixels.jpeg_size import JpegCompressibility, JpegIncompressibility
from .preference.aesthetic_v2_5 import AestheticV25
from .preference.edit_reward import EditReward
from .preference.hps_v2 import HpsV2
from .preference.hps_v3 import HpsV3
from .preference.image_reward import ImageReward
from .preference.laion_aesthetic import LaionAesthetic
from .preference.mps import Mps
from .preference.taste import Taste
from .question.checklist import Checklist
from .question.clip_flant5 import ClipFlanT5Score
from .question.host_vlm import HostVlmScore
from .question.http.vqa_http import VqaHttp
from .question.instructblip import InstructBlipScore
from .question.vlm import VlmScore
from .text.text_reader import TextReader
from .types import (
    Files,
    Reward,
    Scorer,
    asks,
    blames,
    findings_of,
    images_at_once,
    itemised,
    load_scorer,
    maximum_of,
)

REWARDS: dict[str, type[Reward]] = {  # in the order of the menu
    # what the image itself shows, without a model
    "sharpness": Sharpness,
    "colourfulness": Colourfulness,
    "brightness": Brightness,
    "jpeg_compressibility": JpegCompressibility,
    "jpeg_incompressibility": JpegIncompressibility,
    # agreement with the prompt, by a question to a model
    "vqascore": ClipFlanT5Score,
    "vqascore_vlm": VlmScore,
    "vqascore_host": HostVlmScore,
    "vqascore_http": VqaHttp,
    "vqascore_instructblip": InstructBlipScore,
    "checklist": Checklist,
    # counts
    "object_count": ObjectCount,
    "object_count_owl": OwlCount,
    "colour_count": ColourCount,
    "shape_count": ShapeCount,
    # looks
    "image_reward": ImageReward,
    "hps_v2": HpsV2,
    "hps_v3": HpsV3,
    "mps": Mps,
    "laion_aesthetic": LaionAesthetic,
    "aesthetic_v2_5": AestheticV25,
    "taste": Taste,
    "edit_reward": EditReward,
    # text in the image
    "text_reader": TextReader,
    # likeness to the prompt or to an image
    "clip_score": ClipScore,
    "siglip_score": SiglipScore,
    "clip_reference": ClipReference,
    "dino_reference": DinoReference,
    "classifier": Classifier,
    # clips
    "video": Video,
    "temporal_consistency": TemporalConsistency,
    "video_reward": VideoReward,
}

__all__ = [
    "KINDS",
    "MODES",
    "REWARDS",
    "CombinedScorer",
    "Files",
    "Reward",
    "Scorer",
    "asks",
    "blame_any",
    "blames",
    "findings_of",
    "fresh",
    "learned",
    "learns",
    "itemised",
    "items_any",
    "load_scorer",
    "maximum_of",
    "images_at_once",
    "reads_clips",
    "rgb",
    "score_any",
    "score_groups",
    "taught",
]
