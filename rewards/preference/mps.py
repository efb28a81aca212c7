"""MPS, Multi-dimensional Preference Score: how people would rank images of one prompt, overall.

    score = exp(logit_scale) cos(text, X(image tokens, prompt tokens)[first])

CLIP ViT-H/14 with four blocks X on top (Zhang et al., arXiv 2405.14705). In X the image tokens
attend only to the relevant tokens of the prompt. The relevance of a token is its largest product
with a token of `CONDITION`; it must be above `threshold` times the prompt's largest relevance.
Prompts are padded to full length, and the padding takes part. In [-100, 100], about 0 to 20;
compare only images of one prompt. Differentiable in the images. The authors' code divides by the
largest relevance of the batch; here the rest of the batch does not change a score.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.config_sizes import check_size
from ..files.file_filter import FileFilter
from ..files.state_dict import below, building, check_complete, read_state, shapes_in
from ..files.weights import Peek, Source, weights_file
from ..likeness.clip import check_prompt
from ..likeness.clip_checkpoint import MPS_KEY, build_model, load_tokenizer
from ..likeness.clip_config import PATCHES, PROJECTION, WORDS, file_config
from ..likeness.clip_pixels import clip_pixels, nan_where_not_finite
from ..memo import Memo
from ..types import Files, check_batch
from .mps_blocks import CrossModel

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizerFast

CONDITION = (
    "light, color, clarity, tone, style, ambiance, artistry, shape, face, hair, hands, limbs, "
    "structure, instance, texture, quantity, attributes, position, number, location, word, things."
)
KEYS = (MPS_KEY, *(f"model.{key}" for key in (PATCHES, PROJECTION, WORDS)))
SOURCE = Source(
    "MPS as safetensors (the authors' .pth contains code and is not run)",
    "https://huggingface.co/RE-N-Y/mpsv1",
)


def is_mps(peek: Peek) -> bool:
    """Whether `load_mps` can load the file."""
    return peek.unknown or peek.has(*KEYS)


class MpsModel(torch.nn.Module):
    """CLIP and the blocks on top of it, under the names of the published file."""

    def __init__(self, model: "CLIPModel", cross_model: CrossModel) -> None:
        super().__init__()
        self.model, self.cross_model = model, cross_model

    def read(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (B, L) -> projected tokens (B, L, D) and text embeddings (B, D), float32."""
        text = self.model.text_model(input_ids=ids.to(self.model.logit_scale.device))
        project = self.model.text_projection
        return project(text.last_hidden_state).float(), project(text.pooler_output).float()

    def forward(
        self, images: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Embed images together with their prompts.

        Args:
            images: (B, H, W, 3) in [0, 1].
            tokens: projected tokens of the prompts, (B, L, D).
            mask: which tokens are relevant, (B, L) bool.

        Returns: (B, D) float32.
        """
        weight = self.model.logit_scale
        size = self.model.config.vision_config.image_size
        pixels = clip_pixels(images.to(weight.device, torch.float32), size).to(weight.dtype)
        hidden = self.model.vision_model(pixel_values=pixels).last_hidden_state
        image = self.model.visual_projection(hidden)
        tokens, mask = tokens.to(image.device, image.dtype), mask.to(image.device)
        return self.cross_model(image, tokens, mask)[:, 0].float()


@dataclass(frozen=True)
class MpsScorer:
    """A loaded MPS. Images are scored on the device of `module`.

    Args:
        module: the model.
        tokenizer: CLIP's tokenizer.
        scale: factor of the cosine.
        threshold: least relevance of a token, relative to the prompt's largest, in [0, 1).
        texts: cache of the tokens, masks and embeddings of prompts.
    """

    module: MpsModel
    tokenizer: "CLIPTokenizerFast"
    scale: float
    threshold: float
    texts: Memo[tuple[torch.Tensor, ...]] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        check_prompt(prompt, self.tokenizer, self._length)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        texts = [self.texts(prompt, self._text) for prompt in prompts]
        tokens, mask, text = (torch.stack(parts) for parts in zip(*texts, strict=True))
        image = self.module(images, tokens, mask)
        cosine = F.cosine_similarity(image, text.to(image.device), dim=-1)
        return nan_where_not_finite(self.scale * cosine, images)

    @property
    def _length(self) -> int:
        return self.module.model.config.text_config.max_position_embeddings

    def _text(self, prompt: str) -> tuple[torch.Tensor, ...]:
        """Tokens (L, D) of a prompt, which of them are relevant (L,), and its embedding (D,)."""
        tokens = self.tokenizer(
            [prompt, CONDITION],
            truncation=True,
            max_length=self._length,
            padding="max_length",
            return_tensors="pt",
        )
        features, text = self.module.read(tokens["input_ids"])
        relevance = (features[0] @ features[1].T).amax(1)
        mask = relevance / relevance.max() > self.threshold
        return features[0].cpu(), mask.cpu(), text[0].cpu()


@dataclass(frozen=True)
class Mps:
    """Settings of MPS."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "File or folder of MPS under models/rewards, as safetensors.",
            "checkpoint": FileFilter(is_mps, SOURCE),
        },
    )
    threshold: float = field(
        default=0.3,
        metadata={
            "tooltip": "How relevant a token of the prompt must be, relative to the most relevant "
            "one. The authors evaluate with 0.3.",
            "min": 0.0,
            "max": 0.99,
            "step": 0.01,
            "advanced": True,
        },
    )

    def load(self, files: Files | None = None) -> MpsScorer:
        """Load model and tokenizer; `files.tokenizers["clip"]` if the model has none."""
        files = files or Files()
        path = files.find(self.checkpoint)
        module = load_mps(path)
        tokenizer = load_tokenizer(path, files.tokenizers.get("clip"))
        scale = module.model.logit_scale.exp().item()
        module = module.to(files.dtype(torch.float16))
        return MpsScorer(module, tokenizer, scale, self.threshold)


def load_mps(path: Path) -> MpsModel:
    """The model at `path`: float32, frozen, in evaluation mode."""
    from transformers import CLIPModel

    state = read_state(weights_file(path, SOURCE), SOURCE, *KEYS)
    clip, cross = (below(state, f"{name}.") for name in ("model", "cross_model"))
    try:
        with torch.device("meta"):
            config, _ = file_config(clip, "gelu"), CrossModel.of(cross)
    except KeyError as error:
        raise SOURCE.error(path, f"lacks the tensor {error.args[0]}") from error
    except Exception as error:  # tensors of unexpected shapes
        raise SOURCE.error(path, f"cannot be loaded ({type(error).__name__})") from error
    check_size(path, SOURCE, lambda: CrossModel.of(cross), shapes_in(cross))
    blocks = CrossModel.of(cross)
    with building(path, SOURCE):
        missing = blocks.load_state_dict(cross, strict=False).missing_keys
    # The biases of the authors' norms are all 0, so a file may lack them.
    check_complete(path, [key for key in missing if not key.endswith("norm.bias")], SOURCE)
    model = build_model(CLIPModel, path, SOURCE, config, clip)
    return MpsModel(model, blocks.requires_grad_(False)).eval()
