"""Every family with weights of its own, on tiny random ones in a published layout."""

from typing import NamedTuple

from pack.rewards import REWARDS, Files

from . import (
    test_aesthetic_v2_5,
    test_classifier,
    test_clip,
    test_dino_reference,
    test_hps_v2,
    test_image_reward,
    test_laion_aesthetic,
    test_mps,
    test_object_count,
    test_owl_count,
    test_taste,
    tiny_hps_v3,
    tiny_instructblip,
    tiny_siglip,
    tiny_t5,
    tiny_text,
    tiny_trunks,
    tiny_vlm,
)
from .tiny_clip import pictures, shown

QWEN = "qwen"  # the folder in which HPSv3 finds a tokenizer, which the host brings


class Family(NamedTuple):
    """What writes the checkpoint into a folder, and the settings that name files in it."""

    build: object
    names: dict[str, str]


FOLDER = {"checkpoint": "."}
LOCAL = {
    "aesthetic_v2_5": Family(
        test_aesthetic_v2_5.build,
        {"checkpoint": "siglip", "head": "aesthetic_predictor_v2_5.pth"},
    ),
    "classifier": Family(lambda path: test_classifier.build(path / "vit"), {"checkpoint": "vit"}),
    "clip_reference": Family(test_clip.build, FOLDER),
    "clip_score": Family(test_clip.build, FOLDER),
    "dino_reference": Family(test_dino_reference.build, FOLDER),
    "edit_reward": Family(
        lambda path: tiny_trunks.build_edit(path / "edit"), {"checkpoint": "edit"}
    ),
    "hps_v2": Family(test_hps_v2.build, {"checkpoint": "model.safetensors"}),
    "hps_v3": Family(tiny_hps_v3.build, {"checkpoint": "HPSv3.safetensors"}),
    "image_reward": Family(test_image_reward.build, {"checkpoint": "ImageReward.pt"}),
    "laion_aesthetic": Family(
        test_laion_aesthetic.build, {"checkpoint": "laion-aesthetic.safetensors"}
    ),
    "mps": Family(test_mps.build, {"checkpoint": "MPS_overall_checkpoint_diffsynth.safetensors"}),
    "object_count": Family(test_object_count.build, FOLDER),
    "object_count_owl": Family(test_owl_count.build, FOLDER),
    "siglip_score": Family(tiny_siglip.build, FOLDER),
    "taste": Family(test_taste.build, {"checkpoint": "tower"}),
    "temporal_consistency": Family(test_clip.build, FOLDER),
    "text_reader": Family(
        tiny_text.build, {"checkpoint": "english_g2.pth", "detector": "craft_mlt_25k.pth"}
    ),
    "video_reward": Family(tiny_trunks.build_video, {"checkpoint": "checkpoint-11352/model.pth"}),
    "vqascore": Family(tiny_t5.build, FOLDER),
    "vqascore_instructblip": Family(tiny_instructblip.build, FOLDER),
    "vqascore_vlm": Family(tiny_vlm.build, FOLDER),
}
REFERENCE = shown(pictures(40, 32, seed=9)[:1])
# Further settings; those under which a score is smooth, on small pictures.
OWN = {
    "clip_reference": {"reference": REFERENCE},
    "clip_reference cosine": {"reference": REFERENCE, "mode": "cosine"},
    "classifier": {"label": "nsfw"},
    "dino_reference": {"reference": REFERENCE},
    "edit_reward": {"source": REFERENCE},
    "object_count": {"score": "soft", "side": 64, "softness": 0.5},
    "object_count_owl": {"score": "soft", "softness": 0.5},
    "taste": {name: lambda path, name=name: str(path / name) for name in ("liked", "not_liked")},
    "text_reader": {"score": "soft", "text": "OPEN"},
    "vqascore": {"score": "log_margin"},
    "vqascore_instructblip": {"score": "log_margin"},
    "vqascore_instructblip log": {"score": "log"},
    "vqascore_instructblip probability": {"score": "probability"},
    "vqascore_vlm": {"form": "log_margin"},
}


def made(case, path):
    """The reward, its files written into the folder ``path``, and what finds them; of a family,
    or of its case in ``OWN``."""
    name = case.split()[0]
    family = LOCAL[name]
    family.build(path)
    named = {key: str(path / file) for key, file in family.names.items()}
    own = OWN.get(case, {}).items()
    named |= {key: value(path) if callable(value) else value for key, value in own}
    return REWARDS[name](**named), Files(tokenizers={"qwen": path / QWEN})
