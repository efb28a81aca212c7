"""Counts things in the picture by OWLv2, against the counts asked for.

A second detector, of another kind and training than Grounding DINO (arXiv 2306.09683): what a
search that maximises ``object_count`` has gained is best judged by a counter it did not see. Each
class is asked for as "a photo of a camel"; each of the 60 x 60 patches has a box and a score

    s_qc = sigmoid((cos(patch, text) + shift) * scale)

for each class. What counts is told in ``detections``, the score and its range in
``object_counting``. OWLv2's scores are lower than Grounding DINO's, hence lower thresholds, within
the 0.1 to 0.3 in use. Pictures are padded to a square below and to the right, with black as in
training (transformers before 5 padded with grey), and shown at 960. Differentiable in the images,
but for the steps of "rss" and "bounded".
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.fitting import Fitting
from ..files.weights import Peek, Wanted
from ..likeness.clip_checkpoint import load_tokenizer
from ..likeness.clip_pixels import MEAN, STD
from ..memo import Memo
from ..resize import resized
from ..types import Files
from .object_counting import CountScorer, CountSettings, load_detector, setting

if TYPE_CHECKING:
    from transformers import CLIPTokenizerFast, Owlv2ForObjectDetection

log = logging.getLogger("flow_search")
WANTED = Wanted(
    "a folder of OWLv2 in Hugging Face layout",
    "https://huggingface.co/google/owlv2-base-patch16-ensemble",
    tuple(f"google/owlv2-{size}-ensemble" for size in ("base-patch16", "large-patch14")),
)


def is_owl(seen: Peek) -> bool:
    """Whether `OwlCount` may load it."""
    return seen.kind == "owlv2"


def owl_pixels(images: torch.Tensor, size: int = 960) -> torch.Tensor:
    """Images (B, H, W, 3) in [0, 1] -> normalised pixels (B, 3, size, size)."""
    planes = images.permute(0, 3, 1, 2)
    height, width = planes.shape[-2:]
    edge = max(height, width)
    planes = F.pad(planes, (0, edge - width, 0, edge - height))
    planes = resized(planes, (size, size), "bilinear")
    mean, std = (planes.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (planes - mean) / std


@dataclass(frozen=True)
class Owl:
    """The detector. Features of a text are kept."""

    rows: ClassVar[int] = 8
    padded: ClassVar[bool] = True

    module: "Owlv2ForObjectDetection"
    tokenizer: "CLIPTokenizerFast"
    texts: Memo[torch.Tensor] = field(default_factory=lambda: Memo(64))

    def check(self, labels: Sequence[str]) -> None:
        length = self.module.config.text_config.max_position_embeddings
        for label in labels:
            if len(self.tokenizer(_asked(label))["input_ids"]) > length:
                log.warning('OWLv2 reads the first %d tokens of "%s" only', length, _asked(label))

    def find(
        self, images: torch.Tensor, labels: Sequence[str]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        weight = self.module.layer_norm.weight
        pixels = owl_pixels(images, self.module.config.vision_config.image_size)
        grid = self.module.image_embedder(pixel_values=pixels.to(weight.dtype))[0]
        patches = grid.flatten(1, 2)
        texts = torch.stack([self.texts(label, self._text) for label in labels]).to(weight)
        logits = self.module.class_predictor(patches, texts.expand(len(images), -1, -1))[0]
        boxes = self.module.box_predictor(patches, grid)
        return logits.float().sigmoid(), boxes.float()

    def _text(self, label: str) -> torch.Tensor:
        """Features (D,) of one label, alone, so that no padding is needed."""
        length = self.module.config.text_config.max_position_embeddings
        asked = self.tokenizer(
            _asked(label), truncation=True, max_length=length, return_tensors="pt"
        )
        ids = asked["input_ids"].to(self.module.layer_norm.weight.device)
        found = self.module.owlv2.get_text_features(input_ids=ids)
        # transformers 5 wraps the features that transformers 4 returns as they are.
        return getattr(found, "pooler_output", found)[0].float().cpu()


def _asked(label: str) -> str:
    return f"a photo of a {label}"


@dataclass(frozen=True)
class OwlCount(CountSettings):
    """Settings of counting by OWLv2."""

    title: ClassVar[str] = "Object Count (OWLv2)"
    description: ClassVar[str] = (
        "Counts things in the picture by a local OWLv2 against the counts asked in the prompt: "
        "minus the sum of squared errors, 0 when every count is right. A second counter, to judge "
        "what a search with the first one found."
    )
    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of OWLv2 base or large, under models/rewards.",
            "checkpoint": Fitting(is_owl, WANTED),
        },
    )
    floor: float = setting(0.15, 0.01, 0.99, "A box with a lower score is nothing.")
    sure: float = setting(0.25, 0.01, 0.99, "A box with a higher score is a thing.")

    def load(self, files: Files | None = None) -> CountScorer:
        """A folder that brings no tokenizer uses ``files.tokenizers["clip"]``."""
        files = files or Files()
        path = files.find(self.checkpoint)
        module = load_detector(path, "Owlv2ForObjectDetection", "owlv2", WANTED)
        tokenizer = load_tokenizer(path, files.tokenizers.get("clip"))
        detector = Owl(module.to(files.dtype(torch.float16)), tokenizer)
        return CountScorer(detector, self, self.rule())
