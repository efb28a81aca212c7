"""VQAScore by CLIP-FlanT5: how likely is "Yes" when it is asked whether the image shows the prompt?

The score is sqrt(p("Yes") p(</s> | "Yes")), in [0, 1], higher is better, or a logarithm of it: see
`t5_answers`. CLIP-FlanT5 (Lin et al., arXiv 2404.01291) takes the patches of the second last layer
of CLIP ViT-L/14-336. They go through an MLP and stand between two halves of a chat with FLAN-T5.
Each half ends in an </s>, as in the authors' package. Differentiable in the images.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..likeness.clip_pixels import clip_pixels, pad_square
from ..types import Files
from .clip_flant5_checkpoint import (
    SOURCE,
    find_parts,
    is_clip_flant5,
    read_projector,
    read_t5,
    read_vision,
)
from .t5_answers import (
    ImageReader,
    T5Scorer,
    answer_field,
    check_answers,
    form_field,
    load_tokenizer,
    opposite_field,
    question_field,
)

if TYPE_CHECKING:
    from transformers import CLIPVisionModel, T5ForConditionalGeneration

BEFORE = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions. USER: "
)
AFTER = "\n{} ASSISTANT: "


class ClipFlanT5(ImageReader):
    """CLIP-FlanT5.

    Args:
        vision: CLIP's vision tower.
        projector: an MLP from its patches to T5's tokens.
        t5: the language model.
    """

    def __init__(
        self,
        vision: "CLIPVisionModel",
        projector: torch.nn.Module,
        t5: "T5ForConditionalGeneration",
    ) -> None:
        super().__init__()
        self.vision, self.projector, self.t5 = vision, projector, t5

    def pixels(self, images: torch.Tensor) -> torch.Tensor:
        return clip_pixels(pad_square(images), self.vision.config.image_size)

    def see(self, pixels: torch.Tensor) -> torch.Tensor:
        """The image's patches (B, P, D), as tokens of T5."""
        layers = self.vision(pixel_values=pixels, output_hidden_states=True).hidden_states
        return self.projector(layers[-2][:, 1:])

    def embed(
        self, features: torch.Tensor, before: torch.Tensor, after: torch.Tensor
    ) -> torch.Tensor:
        """The input (B, L, D) of T5: a text, the image's patches, a text.

        Args:
            features: patches (B, P, D).
            before: tokens (L1,) before the image.
            after: tokens (L2,) after the image.
        """
        texts = (self.t5.shared(ids).expand(len(features), -1, -1) for ids in (before, after))
        return torch.cat([next(texts), features, next(texts)], dim=1)


def load_model(path: Path, dtype: torch.dtype) -> ClipFlanT5:
    """The model at `path`, frozen, in evaluation mode."""
    parts = find_parts(path)
    model = ClipFlanT5(
        read_vision(path, parts.vision),
        read_projector(path, parts.projector),
        read_t5(path, parts.t5),
    )
    return model.to(dtype).eval().requires_grad_(False)


@dataclass(frozen=True)
class ClipFlanT5Score:
    """Settings of VQAScore by CLIP-FlanT5.

    Args:
        checkpoint: a file or folder, as `Files.find` takes it.
        score: the form of the score, as in `t5_answers`.
        question: with {} for the prompt.
        answer: the answer whose probability is the score.
        opposite: the answer that log_margin compares with.
    """

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of CLIP-FlanT5 xl or xxl, in models/rewards.",
            "checkpoint": FileFilter(is_clip_flant5, SOURCE),
        },
    )
    score: str = form_field()
    question: str = question_field('Does this figure show "{}"? Please answer yes or no.')
    answer: str = answer_field("Yes")
    opposite: str = opposite_field("No")

    def load(self, files: Files | None = None) -> T5Scorer:
        """Load in bfloat16, as trained, if the device computes that well, else in float32."""
        answers = (self.answer, self.opposite)
        check_answers(self.question, answers)
        files = files or Files()
        path = files.find(self.checkpoint)
        module = load_model(path, files.dtype(torch.bfloat16))
        folder = path if path.is_dir() else path.parent
        words = load_tokenizer(folder, files.tokenizers.get("t5"))

        def ask(question: str) -> list[list[int]]:
            return [words.encode(text).ids for text in (BEFORE, AFTER.format(question))]

        return T5Scorer(module, ask, words, self.question, answers, self.score)
