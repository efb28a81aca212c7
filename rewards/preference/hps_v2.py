"""HPS v2.1, human preference: how people would rank images of one prompt.

    score = cos(image embedding, text embedding) of a CLIP ViT-H/14 trained on people's choices.

Wu et al., arXiv 2306.09341. In [-1, 1], about 0.2 to 0.4; compare only images of one prompt. The
paper's tables show 100 times the score. The whole image is used: its longest edge becomes 224
pixels, and black fills the square. Prompts are cleaned first (`prompt_text`), as in the authors'
package. Differentiable in the images.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.weights import Source
from ..likeness.clip import ClipScorer
from ..likeness.clip_checkpoint import CLIP, CleaningTokenizer, load_model, load_tokenizer
from ..likeness.clip_pixels import padded_pixels
from ..types import Files

# Nothing distinguishes it from another CLIP ViT-H/14.
HPS = replace(
    CLIP,
    expected=Source(
        "HPS v2.1 (HPS_v2.1_compressed, a CLIP with embeddings of 1024 channels)",
        "https://huggingface.co/xswu/HPSv2",
    ),
    width=1024,
)


@dataclass(frozen=True)
class HpsV2:
    """Settings of HPS v2.1."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "File or folder of HPS v2.1 under models/rewards.",
            "checkpoint": FileFilter(HPS.fits, HPS.expected),
        },
    )

    def load(self, files: Files | None = None) -> ClipScorer:
        """Load model and tokenizer; `files.tokenizers["clip"]` if the model has none."""
        files = files or Files()
        path = files.find(self.checkpoint)
        # Its activation is gelu, whatever a configuration next to it says.
        model, _ = load_model(path, "gelu", HPS)
        model = model.to(files.dtype(torch.float16))
        tokenizer = CleaningTokenizer(load_tokenizer(path, files.tokenizers.get("clip")))
        return ClipScorer(model, tokenizer, pixels=padded_pixels)
