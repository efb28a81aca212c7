"""MPS, Multi-dimensional Preference Score: how people would rank pictures of one prompt, overall.

    score = exp(logit_scale) cos(text, X(image tokens, prompt tokens)[first])

CLIP ViT-H/14 with four blocks X on top, in which image tokens attend to those tokens of the prompt
that matter: the ones whose largest product with a token of `CONDITION` is above ``threshold`` times
the largest such product of the prompt. Zhang et al., arXiv 2405.14705. Prompts are padded to their
full length, and the padding takes part. In [-100, 100], about 0 to 20; comparable between pictures
of one prompt only. Differentiable in the images. Upstream divides by the largest product of the
batch; here a picture's score does not depend on its batch.
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
from ..likeness.clip_pixels import clip_pixels, nan_shows
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
    "MPS as safetensors (its own .pth is a program, and not run)",
    "https://huggingface.co/RE-N-Y/mpsv1",
)


def is_mps(seen: Peek) -> bool:
    """Whether it may be loaded."""
    return seen.unknown or seen.has(*KEYS)


class MpsModel(torch.nn.Module):
    """CLIP and the blocks on top of it, under the names of the published file."""

    def __init__(self, model: "CLIPModel", cross_model: CrossModel) -> None:
        super().__init__()
        self.model, self.cross_model = model, cross_model

    def read(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (B, L) -> projected tokens (B, L, D) and text embeddings (B, D), float32."""
        seen = self.model.text_model(input_ids=ids.to(self.model.logit_scale.device))
        project = self.model.text_projection
        return project(seen.last_hidden_state).float(), project(seen.pooler_output).float()

    def forward(
        self, images: torch.Tensor, tokens: torch.Tensor, kept: torch.Tensor
    ) -> torch.Tensor:
        """Images (B, H, W, 3), prompt tokens (B, L, D), which count (B, L) -> (B, D) float32."""
        weight = self.model.logit_scale
        size = self.model.config.vision_config.image_size
        pixels = clip_pixels(images.to(weight.device, torch.float32), size).to(weight.dtype)
        seen = self.model.vision_model(pixel_values=pixels).last_hidden_state
        image = self.model.visual_projection(seen)
        tokens, kept = tokens.to(image.device, image.dtype), kept.to(image.device)
        return self.cross_model(image, tokens, kept)[:, 0].float()


@dataclass(frozen=True)
class MpsScorer:
    """Pictures are scored on whatever device ``module`` is."""

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
        asked = [self.texts(prompt, self._text) for prompt in prompts]
        tokens, kept, text = (torch.stack(parts) for parts in zip(*asked, strict=True))
        found = self.module(images, tokens, kept)
        cosine = F.cosine_similarity(found, text.to(found.device), dim=-1)
        return nan_shows(self.scale * cosine, images)

    @property
    def _length(self) -> int:
        return self.module.model.config.text_config.max_position_embeddings

    def _text(self, prompt: str) -> tuple[torch.Tensor, ...]:
        """Tokens (L, D) of a prompt, which of them count (L,), and its embedding (D,)."""
        tokens = self.tokenizer(
            [prompt, CONDITION],
            truncation=True,
            max_length=self._length,
            padding="max_length",
            return_tensors="pt",
        )
        features, text = self.module.read(tokens["input_ids"])
        likeness = (features[0] @ features[1].T).amax(1)
        kept = likeness / likeness.max() > self.threshold
        return features[0].cpu(), kept.cpu(), text[0].cpu()


@dataclass(frozen=True)
class Mps:
    """Settings of MPS."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "File or folder of MPS, under models/rewards, as safetensors.",
            "checkpoint": FileFilter(is_mps, SOURCE),
        },
    )
    threshold: float = field(
        default=0.3,
        metadata={
            "tooltip": "How near to a word of quality a token of the prompt must be to be looked "
            "at, as a part of the nearest one's: 0.3 as its authors evaluate it, 0.01 as they "
            "trained it.",
            "min": 0.0,
            "max": 0.99,
            "step": 0.01,
            "advanced": True,
        },
    )

    def load(self, files: Files | None = None) -> MpsScorer:
        """A model that brings no tokenizer uses ``files.tokenizers["clip"]``."""
        files = files or Files()
        path = files.find(self.checkpoint)
        module = load_mps(path)
        tokenizer = load_tokenizer(path, files.tokenizers.get("clip"))
        scale = module.model.logit_scale.exp().item()
        module = module.to(files.dtype(torch.float16))
        return MpsScorer(module, tokenizer, scale, self.threshold)


def load_mps(path: Path) -> MpsModel:
    """The model at ``path``, float32, frozen, in evaluation mode."""
    from transformers import CLIPModel

    state = read_state(weights_file(path, SOURCE), SOURCE, *KEYS)
    clip, cross = (below(state, f"{name}.") for name in ("model", "cross_model"))
    try:
        with torch.device("meta"):
            config, _ = file_config(clip, "gelu"), CrossModel.of(cross)
    except KeyError as error:
        raise SOURCE.error(path, f"lacks the tensor {error.args[0]}") from error
    except Exception as error:  # of tensors of other shapes
        raise SOURCE.error(path, f"cannot be loaded ({type(error).__name__})") from error
    check_size(path, SOURCE, lambda: CrossModel.of(cross), shapes_in(cross))
    blocks = CrossModel.of(cross)
    with building(path, SOURCE):
        missing = blocks.load_state_dict(cross, strict=False).missing_keys
    # Upstream's norms have a bias of 0 only, which a file may leave out.
    check_complete(path, [key for key in missing if not key.endswith("norm.bias")], SOURCE)
    model = build_model(CLIPModel, path, SOURCE, config, clip)
    return MpsModel(model, blocks.requires_grad_(False)).eval()
