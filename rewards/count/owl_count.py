"""Object Count by OWLv2: counts things in the image and compares with the target counts.

OWLv2 (arXiv 2306.09683) differs from Grounding DINO in kind and training. This makes it a fair
judge of a search that maximised `object_count`. The text of a class is "a photo of a camel". Each
of the 60 x 60 patches has a box and, for each class, a score

    s_qc = sigmoid((cos(patch, text) + shift) * scale).

`detections` says which patches count; `object_counting` has the score and its range. OWLv2's
scores are lower than Grounding DINO's, so the thresholds are lower (0.1 to 0.3 are in use). Images
are padded to a square below and to the right, and resized to 960. The padding is black as in
training (transformers before 5 used grey). Differentiable in the images, except for the steps of
"rss" and "bounded".
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.file_filter import FileFilter
from ..files.weights import Peek, Source
from ..likeness.clip_checkpoint import load_tokenizer
from ..likeness.clip_pixels import MEAN, STD
from ..memo import Memo
from ..pixels.resize import resized
from ..types import Files
from .object_counting import CountScorer, CountSettings, load_detector, setting

if TYPE_CHECKING:
    from transformers import CLIPTokenizerFast, Owlv2ForObjectDetection

log = logging.getLogger("flow_search")
SOURCE = Source(
    "a folder of OWLv2 in Hugging Face layout",
    "https://huggingface.co/google/owlv2-base-patch16-ensemble",
    tuple(f"google/owlv2-{size}-ensemble" for size in ("base-patch16", "large-patch14")),
)


def is_owl(peek: Peek) -> bool:
    """Whether `OwlCount` can load the folder."""
    return peek.kind == "owlv2"


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
    """A loaded OWLv2.

    Args:
        module: the model.
        tokenizer: CLIP's tokenizer.
        texts: cache of the features of each label.
    """

    rows: ClassVar[int] = 8
    padded: ClassVar[bool] = True

    module: "Owlv2ForObjectDetection"
    tokenizer: "CLIPTokenizerFast"
    texts: Memo[torch.Tensor] = field(default_factory=lambda: Memo(64))

    def check(self, labels: Sequence[str]) -> None:
        length = self.module.config.text_config.max_position_embeddings
        for label in labels:
            if len(self.tokenizer(_query(label))["input_ids"]) > length:
                log.warning('OWLv2 reads only the first %d tokens of "%s"', length, _query(label))

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
        """Features (D,) of one label. It is encoded alone, so that no padding is needed."""
        length = self.module.config.text_config.max_position_embeddings
        tokens = self.tokenizer(
            _query(label), truncation=True, max_length=length, return_tensors="pt"
        )
        ids = tokens["input_ids"].to(self.module.layer_norm.weight.device)
        features = self.module.owlv2.get_text_features(input_ids=ids)
        # transformers 5 wraps the features; transformers 4 returns the tensor itself.
        return getattr(features, "pooler_output", features)[0].float().cpu()


def _query(label: str) -> str:
    return f"a photo of a {label}"


@dataclass(frozen=True)
class OwlCount(CountSettings):
    """Settings of Object Count by OWLv2."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of OWLv2 base or large under models/rewards.",
            "checkpoint": FileFilter(is_owl, SOURCE),
        },
    )
    floor: float = setting(0.15, 0.01, 0.99, "A box with a lower score never counts.")
    sure: float = setting(0.25, 0.01, 0.99, "A box with a higher score always counts.")

    def load(self, files: Files | None = None) -> CountScorer:
        """Load detector and tokenizer; `files.tokenizers["clip"]` if the folder has none."""
        files = files or Files()
        path = files.find(self.checkpoint)
        module = load_detector(path, "Owlv2ForObjectDetection", "owlv2", SOURCE)
        tokenizer = load_tokenizer(path, files.tokenizers.get("clip"))
        detector = Owl(module.to(files.dtype(torch.float16)), tokenizer)
        return CountScorer(detector, self, self.rule())
