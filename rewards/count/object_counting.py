"""What counting rewards share: their settings, and their scorer over any detector.

With asked_c things of class c asked for, and whole_c and soft_c of them found (``detections``),

    RSS = sum_c (asked_c - whole_c)^2,        S = sum_c (asked_c - soft_c)^2,
    E = RSS + tie_break * S / (1 + S)

the score is -E ("rss", at most 0, RSS = floor(E) exactly), exp(-E / scale) ("bounded", in (0, 1])
or -S ("soft", at most 0, the one to follow the gradient of). RSS is the counting reward of arXiv
2503.19385; S ranks pictures of equal RSS. Things nobody asked for are not looked for.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch

from ..files.config_sizes import check_all_used, check_config, check_size
from ..files.shards import own_state, shapes_of
from ..files.state_dict import check_complete
from ..files.wanted import reading
from ..files.weights import Wanted, has_safetensors, look
from ..types import check_batch
from .blame import box_map, errors, stacked
from .detections import Rule
from .object_prompt import object_counts

log = logging.getLogger("flow_search")


class Detector(Protocol):
    """A loaded detector; ``rows`` is how many pictures it is shown at a time.

    Its boxes are shares of the picture, or with ``padded`` of the square that holds the picture in
    its upper left corner.
    """

    module: torch.nn.Module
    rows: int
    padded: bool

    def check(self, labels: Sequence[str]) -> None:
        """Raise ValueError if it cannot look for so many or so long ``labels``."""

    def find(
        self, images: torch.Tensor, labels: Sequence[str]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, H, W, 3) on its device -> scores (B, N, C) and boxes (B, N, 4), float32."""


def setting(default: float, low: float, high: float, tooltip: str, step: float = 0.01) -> float:
    """An advanced setting that is a number."""
    shown = {"min": low, "max": high, "step": step, "tooltip": tooltip, "advanced": True}
    return field(default=default, metadata=shown)


@dataclass(frozen=True)
class CountSettings:
    """Settings of a counting reward; a family gives the checkpoint and its own thresholds."""

    checkpoint: str = ""
    counts: str = field(
        default="",
        metadata={
            "tooltip": "Counts to ask for instead of those in the prompt. Empty: read the prompt, "
            "in English.",
            "placeholder": "airplanes: 6, camels: 7",
        },
    )
    score: str = field(
        default="rss",
        metadata={
            "tooltip": "rss is minus the sum of squared errors of the counts, 0 when all are "
            "right; bounded is exp(-rss / scale), between 0 and 1; soft is minus the squared "
            "errors of soft counts, smooth, for gradients.",
            "choices": ("rss", "bounded", "soft"),
        },
    )
    tie_break: float = field(
        default=0.25,
        metadata={
            "tooltip": "At most this much is taken off rss to rank pictures with equal counts by "
            "how sure the detector is of them. 0 gives whole numbers.",
            "min": 0.0,
            "max": 0.49,
            "step": 0.01,
        },
    )
    scale: float = setting(
        10.0, 0.1, 1000.0, "For bounded: the sum of squared errors that scores 1/e.", 0.1
    )
    floor: float = setting(0.2, 0.01, 0.99, "A box with a lower score is nothing.")
    sure: float = setting(0.32, 0.01, 0.99, "A box with a higher score is a thing.")
    share: float = setting(
        0.6, 0.0, 1.0, "Between floor and sure, a box is a thing above this share of the best."
    )
    overlap: float = setting(
        0.6, 0.05, 1.0, "Two boxes of one kind are one thing above this overlap (IoU)."
    )
    softness: float = setting(
        0.05, 0.005, 0.5, "Width of the step of soft counts, as a score.", 0.005
    )

    @property
    def maximum(self) -> float:
        return 1.0 if self.score == "bounded" else 0.0

    def rule(self) -> Rule:
        if self.floor > self.sure:
            raise ValueError(f"floor {self.floor} is above sure {self.sure}: at most that wanted")
        return Rule(self.floor, self.sure, self.share, self.overlap, self.softness)


@dataclass(frozen=True)
class CountScorer:
    """Counts what ``detector`` finds against what is asked. A text is read once."""

    blames: ClassVar[bool] = True

    detector: Detector
    settings: CountSettings
    rule: Rule

    @property
    def module(self) -> torch.nn.Module:
        return self.detector.module

    def asked(self, prompt: str) -> dict[str, int]:
        """Counts by class in the ``counts`` setting or, if that is empty, in ``prompt``."""
        given = self.settings.counts
        return self._read(given if given.strip() else prompt)

    @cached_property
    def _read(self) -> Callable[[str], dict[str, int]]:
        """Reads a text once, and not for each picture."""
        return lru_cache(maxsize=16)(object_counts)

    def check(self, prompt: str) -> None:
        asked = self.asked(prompt)
        self.detector.check(list(asked))
        log.info("counting %s", ", ".join(f"{label}: {count}" for label, count in asked.items()))

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        clean, finite = self._finite(images)
        scores = clean.new_zeros(len(prompts))
        # One text at a time, so that none need be padded.
        for prompt in dict.fromkeys(prompts):
            rows = torch.tensor([row for row, other in enumerate(prompts) if other == prompt])
            for part in rows.split(self.detector.rows):
                scores[part] = self._score(clean[part], prompt)
        return scores.to(images.device).masked_fill(~finite, float("nan"))

    def _finite(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images where the detector is, 0 where one is not finite, and which are, (B,)."""
        finite = torch.isfinite(images).flatten(1).all(1)
        clean = torch.where(finite[:, None, None, None], images, 0.0)
        return clean.to(next(self.module.parameters()).device, torch.float32), finite

    @torch.no_grad()
    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Maps (B, H, W) in [0, 1]: boxes of a class that has too many, and room for things that
        lack."""
        check_batch(images, prompts)
        clean, finite = self._finite(images)
        maps = [self._blame(clean[i : i + 1], prompt) for i, prompt in enumerate(prompts)]
        return stacked(maps, images) * finite[:, None, None]

    def _blame(self, image: torch.Tensor, prompt: str) -> np.ndarray:
        """The map of one image (1, H, W, 3)."""
        asked, size = self.asked(prompt), tuple(image.shape[1:3])
        (scores,), (boxes,) = self.detector.find(image, list(asked))
        classes, boxes = self.rule.things(scores, boxes)
        if self.detector.padded:
            boxes = boxes * torch.tensor([max(size) / size[1], max(size) / size[0]] * 2)
        labels = list(asked)
        blamed, lacking = errors([labels[c] for c in classes], asked, asked)
        return box_map(boxes, blamed, lacking, size)

    def _score(self, images: torch.Tensor, prompt: str) -> torch.Tensor:
        """Scores (B,) of images that share a prompt."""
        asked = self.asked(prompt)
        scores, boxes = self.detector.find(images, list(asked))
        counts = [self.rule.count(*found) for found in zip(scores, boxes.detach(), strict=True)]
        whole, soft = (torch.stack(kind) for kind in zip(*counts, strict=True))
        wanted = torch.tensor(list(asked.values()), dtype=torch.float32, device=whole.device)
        rss, smooth = ((wanted - kind).square().sum(1) for kind in (whole, soft))
        error = rss + self.settings.tie_break * smooth / (1.0 + smooth)
        if self.settings.score == "bounded":
            return torch.exp(-error / self.settings.scale)
        return 0.0 - (smooth if self.settings.score == "soft" else error)  # never -0.0


def load_detector(path: Path, architecture: str, kind: str, wanted: Wanted) -> torch.nn.Module:
    """The model of ``architecture`` in the folder ``path``, float32, frozen, in evaluation mode."""
    import transformers

    seen = look(path, wanted)
    if seen.kind != kind:
        raise wanted.error(path, f"looks like {seen.looks_like()}")
    if seen.config.get("use_pretrained_backbone"):
        raise wanted.error(path, "has part of its weights elsewhere, to be downloaded")
    check_config(path, seen.config, wanted, seen)
    model_class = getattr(transformers, architecture)
    with reading(path / "config.json", wanted):
        config = model_class.config_class.from_dict(seen.config_copy())
    check_size(path, wanted, lambda: model_class(config), shapes_of(path, wanted, seen))
    state = own_state(path, wanted, seen)
    try:
        model, report = model_class.from_pretrained(
            path if state is None else None,
            config=config,
            state_dict=state,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=state is None and has_safetensors(path),
            output_loading_info=True,
        )
    except Exception as error:  # of whatever reads that kind of file
        raise wanted.error(path, f"cannot be loaded ({type(error).__name__})") from error
    check_complete(path, report["missing_keys"], wanted)
    check_all_used(path, wanted, model, report["unexpected_keys"])
    return model.float().eval().requires_grad_(False)
