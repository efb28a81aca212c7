"""Classifier: how sure an image classifier is of a label, by any local one of transformers.

    score = log p - log(1 - p),        p the probability of the label

For one choice among labels that is z_k - log sum_{j != k} exp z_j, with the logits z. Where labels
do not exclude each other, or for a single logit, it is z_k. Unlike p it does not flatten near 0 and
1. 0 is even chances; there is no bound. With `aim` less it is the other way round. Needs no prompt.
Differentiable in the images.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.weights import Peek, Source
from ..types import Files, check_batch
from .clip_pixels import nan_where_not_finite
from .image_network import Pixels, load_network, load_pixels

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

SOURCE = Source(
    "a folder of an image classifier in Hugging Face layout",
    "https://huggingface.co/Falconsai/nsfw_image_detection",
)
# Those that read nothing but pixels of one size.
NAMES = (
    ("beit", "Beit"), ("bit", "Bit"), ("convnext", "ConvNext"), ("convnextv2", "ConvNextV2"),
    ("deit", "DeiT"), ("dinov2", "Dinov2"), ("dinov2_with_registers", "Dinov2WithRegisters"),
    ("focalnet", "FocalNet"), ("mobilenet_v2", "MobileNetV2"),
    ("mobilevit", "MobileViT"), ("mobilevitv2", "MobileViTV2"), ("poolformer", "PoolFormer"),
    ("regnet", "RegNet"), ("resnet", "ResNet"), ("siglip", "Siglip"), ("swin", "Swin"),
    ("swinv2", "Swinv2"), ("vit", "ViT"), ("vit_msn", "ViTMSN"),
)  # fmt: skip
KINDS = {kind: f"{name}ForImageClassification" for kind, name in NAMES}
SHOWN = 20  # labels in an error


def is_classifier(peek: Peek) -> bool:
    """Whether `Classifier` can load the folder, as far as a look shows."""
    architectures = peek.config.get("architectures")
    named = architectures if isinstance(architectures, list) else []
    return peek.kind in KINDS and KINDS[peek.kind] in named


@dataclass(frozen=True)
class ClassifierScorer:
    """A loaded classifier. Images are scored on the device of `module`.

    Args:
        module: the model.
        pixels: prepares images for it.
        label: the number of the label.
        sign: 1 if more of it is better, -1 if less.
    """

    module: "PreTrainedModel"
    pixels: Pixels
    label: int
    sign: int

    def check(self, prompt: str) -> None:
        """Accept any prompt: it is not read."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        weight = next(self.module.parameters())
        pixels = self.pixels(images.to(weight.device, torch.float32))
        logits = self.module(pixel_values=pixels.to(weight.dtype)).logits.float()
        margin = logits[:, self.label]
        if self.module.config.problem_type != "multi_label_classification" and len(logits[0]) > 1:
            rest = torch.arange(logits.shape[1], device=logits.device) != self.label
            margin = margin - logits[:, rest].logsumexp(1)
        return nan_where_not_finite(self.sign * margin, images)


@dataclass(frozen=True)
class Classifier:
    """Settings of the classifier."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of an image classifier: ViT, SigLIP, Swin, BEiT, ConvNeXt, ResNet "
            "and others.",
            "checkpoint": FileFilter(is_classifier, SOURCE),
        },
    )
    label: str = field(
        default="",
        metadata={
            "tooltip": "Label of the classifier, such as nsfw. A wrong one is refused with the "
            "list.",
            "placeholder": "nsfw",
        },
    )
    aim: str = field(
        default="more",
        metadata={
            "tooltip": "more rewards the label, less avoids it.",
            "choices": ("more", "less"),
        },
    )

    def load(self, files: Files | None = None) -> ClassifierScorer:
        files = files or Files()
        path = files.find(self.checkpoint)
        model = load_network(path, SOURCE, KINDS)
        label = self._number(model.config)
        pixels = load_pixels(path, SOURCE)
        sign = 1 if self.aim == "more" else -1
        return ClassifierScorer(model.to(files.dtype(torch.float16)), pixels, label, sign)

    def _number(self, config: "PretrainedConfig") -> int:
        """The number of the label; upper and lower case are the same."""
        names = {str(name).strip().lower(): number for number, name in config.id2label.items()}
        label = self.label.strip().lower()
        if label in names:
            return names[label]
        labels = [str(name) for name in config.id2label.values()]
        more = f" and {len(labels) - SHOWN} others" if len(labels) > SHOWN else ""
        raise ValueError(
            f"The classifier does not know the label: got {self.label!r}, expected one of "
            f"{', '.join(labels[:SHOWN])}{more}."
        )
