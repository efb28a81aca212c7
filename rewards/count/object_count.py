"""Object Count: counts things in the image by Grounding DINO and compares with the target counts.

Grounding DINO (arXiv 2303.05499) reads a text like "airplane. camel." and gives 900 queries, each
with a logit for each token. The score of query q for class c is

    s_qc = sigmoid(max of its logits over the tokens of c),

so that no phrase must be matched. `detections` says which queries count; `object_counting` has the
score and its range. Images are resized as in training: shortest side 800, longest at most 1333.
Differentiable in the images, except for the steps of "rss" and "bounded".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.source import reading
from ..files.weights import Peek, Source
from ..memo import Memo
from ..pixels.resize import resized
from ..types import Files
from .object_counting import CountScorer, CountSettings, load_detector

if TYPE_CHECKING:
    from transformers import BertTokenizerFast, GroundingDinoForObjectDetection

SOURCE = Source(
    "a folder of Grounding DINO in Hugging Face layout",
    "https://huggingface.co/IDEA-Research/grounding-dino-base",
    ("IDEA-Research/grounding-dino-base", "IDEA-Research/grounding-dino-tiny"),
)
TOKENIZER = SOURCE._replace(what="its tokenizer (vocab.txt or tokenizer.json)")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE, LONGEST = 800, 1333


def is_grounding_dino(peek: Peek) -> bool:
    """Whether `ObjectCount` can load the folder."""
    return peek.kind == "grounding-dino"


def input_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width in pixels at which the detector reads an image.

    The shortest side becomes `side`, but the longest at most 5/3 of that.

    Args:
        height, width: of the image, in pixels.
        side: pixels of the shortest side.
    """
    short, long = min(height, width), max(height, width)
    longest = side * LONGEST // SIDE
    sizes = (side, int(side * long / short))
    if long / short * side > longest:
        sizes = (round(longest * short / long), longest)
    return sizes if height <= width else sizes[::-1]


def dino_pixels(images: torch.Tensor, side: int = SIDE) -> torch.Tensor:
    """Images (B, H, W, 3) in [0, 1] -> normalised pixels (B, 3, h, w) of `input_size`."""
    planes = images.permute(0, 3, 1, 2)
    planes = resized(planes, input_size(*planes.shape[-2:], side), "bilinear")
    mean, std = (planes.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (planes - mean) / std


@dataclass(frozen=True)
class GroundingDino:
    """A loaded Grounding DINO. Only tokens are cached: text features depend on the image.

    Args:
        module: the model.
        tokenizer: BERT's tokenizer.
        side: shortest side of the image for the model, in pixels.
        texts: cache of token ids and of the slice of each label.
    """

    rows: ClassVar[int] = 4
    padded: ClassVar[bool] = False

    module: "GroundingDinoForObjectDetection"
    tokenizer: "BertTokenizerFast"
    side: int = SIDE
    texts: Memo[tuple[torch.Tensor, list[slice]]] = field(default_factory=Memo)

    def check(self, labels: Sequence[str]) -> None:
        length, most = len(self._tokens(labels)[0]), self.module.config.max_text_len
        if length > most:
            raise ValueError(
                f"The names of {len(labels)} kinds of things are too long for Grounding DINO: "
                f"got {length} tokens, expected at most {most}. Count fewer kinds."
            )

    def find(
        self, images: torch.Tensor, labels: Sequence[str]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ids, spans = self._tokens(labels)
        ids = ids.to(images.device).expand(len(images), -1)
        outputs = self.module(
            pixel_values=dino_pixels(images, self.side),
            input_ids=ids,
            token_type_ids=torch.zeros_like(ids),
            attention_mask=torch.ones_like(ids),
        )
        logits = torch.stack([outputs.logits[..., span].amax(-1) for span in spans], dim=-1)
        return logits.float().sigmoid(), outputs.pred_boxes.float()

    def _tokens(self, labels: Sequence[str]) -> tuple[torch.Tensor, list[slice]]:
        """Token ids (L,) of "a. b.", and the slice of each label in them."""
        return self.texts(". ".join(labels), lambda text: self._encode(text.split(". ")))

    def _encode(self, labels: Sequence[str]) -> tuple[torch.Tensor, list[slice]]:
        dot = self.tokenizer.convert_tokens_to_ids(".")
        ids, spans = [self.tokenizer.cls_token_id], []
        for label in labels:
            words = self.tokenizer(label, add_special_tokens=False)["input_ids"]
            spans.append(slice(len(ids), len(ids) + len(words)))
            ids += [*words, dot]
        return torch.tensor([*ids, self.tokenizer.sep_token_id]), spans


@dataclass(frozen=True)
class ObjectCount(CountSettings):
    """Settings of Object Count by Grounding DINO."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of Grounding DINO tiny or base under models/rewards.",
            "checkpoint": FileFilter(is_grounding_dino, SOURCE),
        },
    )
    side: int = field(
        default=SIDE,
        metadata={
            "tooltip": "Pixels of the image's shortest side for the detector. Less than 800 is "
            "faster but misses small things.",
            "min": 64,
            "max": 1600,
            "step": 16,
            "advanced": True,
        },
    )

    def load(self, files: Files | None = None) -> CountScorer:
        path = (files or Files()).find(self.checkpoint)
        module = load_detector(path, "GroundingDinoForObjectDetection", "grounding-dino", SOURCE)
        detector = GroundingDino(module, load_bert_tokenizer(path), self.side)
        return CountScorer(detector, self, self.rule())


def load_bert_tokenizer(path: Path) -> "BertTokenizerFast":
    """The tokenizer in the folder `path`."""
    from transformers import BertTokenizerFast

    if not any((path / name).is_file() for name in ("vocab.txt", "tokenizer.json")):
        raise TOKENIZER.error(path, "has no tokenizer")
    with reading(path, TOKENIZER):
        tokenizer = BertTokenizerFast.from_pretrained(path, local_files_only=True)
        tokenizer("a")  # fails here, not later, if the vocabulary is another model's
    return tokenizer
