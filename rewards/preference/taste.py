"""Taste: what you like, learned from two folders of your images.

    score = w (e - c),        e the image embedding of CLIP or SigLIP, |e| = 1

`taste_head` has the fit, a ridge on the embeddings. About -1 for images like those that you do not
like, 1 for images like those that you do. The log and the report have the AUC on images that the
fit did not see: 0.5 is chance. Needs no prompt. Differentiable in the images.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.weights import Peek, look
from ..likeness.clip_checkpoint import IMAGE_TOWER, load_image_model
from ..likeness.clip_pixels import clip_pixels
from ..likeness.siglip import siglip_pixels
from ..likeness.siglip_checkpoint import is_siglip, load_model
from ..types import Files
from .aesthetic import AestheticModel, AestheticScorer
from .picture_folder import picture_files, pictures
from .taste_head import fitted, held_out_auc

log = logging.getLogger("flow_search")
SOURCE = IMAGE_TOWER.expected._replace(what="a CLIP model, or its image tower, or SigLIP")
WEAK = 0.65  # AUC
FOLDER_TOOLTIP = "Folder below models/rewards with images that you {}, such as taste/{}. {}"


def is_tower(peek: Peek) -> bool:
    """Whether `Taste` can load the folder or file."""
    return IMAGE_TOWER.fits(peek) or is_siglip(peek)


@dataclass(frozen=True)
class TasteScorer(AestheticScorer):
    """A fitted taste.

    Args:
        module: the tower and the head.
        findings: entries of the report: "held_out_auc".
    """

    findings: Mapping[str, float]


@dataclass(frozen=True)
class Taste:
    """Settings of the taste."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of CLIP or SigLIP. A larger one sees more.",
            "checkpoint": FileFilter(is_tower, SOURCE),
        },
    )
    liked: str = field(
        default="taste/liked",
        metadata={"tooltip": FOLDER_TOOLTIP.format("like", "liked", "Use 50 or more.")},
    )
    not_liked: str = field(
        default="taste/not_liked",
        metadata={"tooltip": FOLDER_TOOLTIP.format("do not like", "not_liked", "Same subjects.")},
    )

    def load(self, files: Files | None = None) -> TasteScorer:
        files = files or Files()
        names = (self.liked, self.not_liked)
        folders = [picture_files(self._folder(name, files)) for name in names]
        model = self._model(files.find(self.checkpoint), files)
        device, home = files.device(), model.tower.device
        model.to(device)
        with torch.no_grad():
            liked, not_liked = (
                torch.cat([model.embedding(picture) for picture in pictures(part)]).cpu()
                for part in folders
            )
        model.to(home)
        weights, bias = fitted(liked, not_liked)
        head = torch.nn.Linear(len(weights), 1)
        head.load_state_dict({"weight": weights[None], "bias": torch.tensor([bias])})
        model.head = torch.nn.Sequential(head).requires_grad_(False)
        return TasteScorer(model.eval(), {"held_out_auc": self._reported(liked, not_liked)})

    def _folder(self, name: str, files: Files) -> Path:
        try:
            return files.find(name)
        except ValueError as error:
            raise ValueError(
                f"The folder with images is not there: got {name!r}, expected the name of a folder "
                "below models/rewards, such as taste/liked."
            ) from error

    @staticmethod
    def _model(path: Path, files: Files) -> AestheticModel:
        """The tower, without a head yet."""
        empty = torch.nn.Sequential()
        if is_siglip(look(path, SOURCE)) and not IMAGE_TOWER.fits(look(path, SOURCE)):
            tower = load_model(path).vision_model.to(files.dtype(torch.float16))
            return AestheticModel(tower, "pooler_output", siglip_pixels, empty)
        tower = load_image_model(path, layouts=IMAGE_TOWER).to(files.dtype(torch.float16))
        return AestheticModel(tower, "image_embeds", clip_pixels, empty)

    @staticmethod
    def _reported(liked: torch.Tensor, not_liked: torch.Tensor) -> float:
        area = round(held_out_auc(liked, not_liked), 3)
        say = log.warning if area < WEAK else log.info
        advice = " Add images: this is close to chance, 0.5." if area < WEAK else ""
        sizes = (len(liked), len(not_liked))
        say("Taste from %d + %d images: held-out AUC %.2f.%s", *sizes, area, advice)
        return area
