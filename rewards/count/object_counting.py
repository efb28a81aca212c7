"""Settings and scorer shared by the counting rewards, for any detector.

target_c things of class c should be in the image; whole_c and soft_c are counted (`detections`).

    RSS = sum_c (target_c - whole_c)^2,        S = sum_c (target_c - soft_c)^2,
    E = RSS + tie_break * S / (1 + S)

    rss        score = -E, at most 0, with RSS = floor(E) exactly
    bounded    score = exp(-E / scale), in (0, 1]
    soft       score = -S, at most 0, the one for gradients

RSS is the counting reward of arXiv 2503.19385. S ranks images of equal RSS. The detector looks only
for classes that have a target.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch

from ..files.config_sizes import check_config, check_size
from ..files.pretrained import whole_model
from ..files.shards import preloaded_state, shapes_of
from ..files.source import reading
from ..files.weights import Peek, Source, look
from ..types import check_batch
from .blame import box_map, errors, stacked
from .detections import Rule
from .object_prompt import object_counts

log = logging.getLogger("flow_search")


class Detector(Protocol):
    """A loaded detector.

    Args:
        module: the weights.
        rows: the number of images per call.
        padded: whether boxes are shares of the square with the image in its upper left corner, and
            not of the image.
    """

    module: torch.nn.Module
    rows: int
    padded: bool

    def check(self, labels: Sequence[str]) -> None:
        """Raise ValueError if the `labels` are too many or too long for the detector."""

    def find(
        self, images: torch.Tensor, labels: Sequence[str]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, H, W, 3) on its device -> scores (B, N, C), boxes (B, N, 4), both float32."""


def setting(default: float, low: float, high: float, tooltip: str, step: float = 0.01) -> float:
    """An advanced setting that is a number.

    Args:
        default: in [low, high].
        low: the least value.
        high: the largest value.
        tooltip: what it does.
        step: the step of the input widget.
    """
    metadata = {"min": low, "max": high, "step": step, "tooltip": tooltip, "advanced": True}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class CountSettings:
    """Settings of a counting reward. A family overrides checkpoint and thresholds.

    Args:
        checkpoint: name of the detector's folder.
        floor, sure, share, overlap, softness: as in `Rule`.
    """

    checkpoint: str = ""
    counts: str = field(
        default="",
        metadata={
            "tooltip": "Counts to use instead of those in the prompt. If empty, they are read "
            "from the prompt, in English.",
            "placeholder": "airplanes: 6, camels: 7",
        },
    )
    score: str = field(
        default="rss",
        metadata={
            "tooltip": "rss is minus the sum of squared count errors. bounded goes from 0 to 1. "
            "soft suits gradients.",
            "choices": ("rss", "bounded", "soft"),
        },
    )
    tie_break: float = field(
        default=0.25,
        metadata={
            "tooltip": "Largest deduction from rss. It ranks images with equal counts by the "
            "detector's certainty. 0 gives whole numbers.",
            "min": 0.0,
            "max": 0.49,
            "step": 0.01,
        },
    )
    scale: float = setting(
        10.0, 0.1, 1000.0, "Only for bounded: the sum of squared errors that scores 1/e.", 0.1
    )
    floor: float = setting(0.2, 0.01, 0.99, "A box with a lower score never counts.")
    sure: float = setting(0.32, 0.01, 0.99, "A box with a higher score always counts.")
    share: float = setting(
        0.6, 0.0, 1.0, "Between floor and sure, a box counts above this share of the best score."
    )
    overlap: float = setting(
        0.6, 0.05, 1.0, "Two boxes of one kind count once above this overlap (IoU)."
    )
    softness: float = setting(
        0.05, 0.005, 0.5, "Only for soft: width of the step from 0 to 1, as a score.", 0.005
    )

    @property
    def maximum(self) -> float:
        return 1.0 if self.score == "bounded" else 0.0

    def rule(self) -> Rule:
        if self.floor > self.sure:
            raise ValueError(
                f"`floor` is above `sure`: got {self.floor}, expected at most {self.sure}."
            )
        return Rule(self.floor, self.sure, self.share, self.overlap, self.softness)


@dataclass(frozen=True)
class CountScorer:
    """Compares the counts of `detector` with the target counts.

    Args:
        detector: the loaded detector.
        settings: how counts become a score.
        rule: which boxes count.
    """

    blames: ClassVar[bool] = True

    detector: Detector
    settings: CountSettings
    rule: Rule

    @property
    def module(self) -> torch.nn.Module:
        return self.detector.module

    def target_counts(self, prompt: str) -> dict[str, int]:
        """Target count per class, from the `counts` setting or, if that is empty, from `prompt`."""
        counts = self.settings.counts
        return self._read(counts if counts.strip() else prompt)

    @cached_property
    def _read(self) -> Callable[[str], dict[str, int]]:
        """Reads each text once, not once per image."""
        return lru_cache(maxsize=16)(object_counts)

    def check(self, prompt: str) -> None:
        targets = self.target_counts(prompt)
        self.detector.check(list(targets))
        log.info("counting %s", ", ".join(f"{label}: {count}" for label, count in targets.items()))

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        clean, finite = self._finite(images)
        scores = clean.new_zeros(len(prompts))
        # One text at a time, so that no text is padded.
        for prompt in dict.fromkeys(prompts):
            rows = torch.tensor([row for row, text in enumerate(prompts) if text == prompt])
            for part in rows.split(self.detector.rows):
                scores[part] = self._score(clean[part], prompt)
        return scores.to(images.device).masked_fill(~finite, float("nan"))

    def _finite(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images on the detector's device, 0 where one is not finite, and which are finite (B,)."""
        finite = torch.isfinite(images).flatten(1).all(1)
        clean = torch.where(finite[:, None, None, None], images, 0.0)
        return clean.to(next(self.module.parameters()).device, torch.float32), finite

    @torch.no_grad()
    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Maps (B, H, W): boxes of a class that has too many, and room for things that lack."""
        check_batch(images, prompts)
        clean, finite = self._finite(images)
        maps = [self._blame(clean[i : i + 1], prompt) for i, prompt in enumerate(prompts)]
        return stacked(maps, images) * finite[:, None, None]

    def _blame(self, image: torch.Tensor, prompt: str) -> np.ndarray:
        """The map of one image (1, H, W, 3)."""
        targets, size = self.target_counts(prompt), tuple(image.shape[1:3])
        labels = list(targets)
        (scores,), (boxes,) = self.detector.find(image, labels)
        classes, boxes = self.rule.things(scores, boxes)
        if self.detector.padded:
            boxes = boxes * torch.tensor([max(size) / size[1], max(size) / size[0]] * 2)
        weights, lacking = errors([labels[c] for c in classes], targets, labels)
        return box_map(boxes, weights, lacking, size)

    def _score(self, images: torch.Tensor, prompt: str) -> torch.Tensor:
        """Scores (B,) of images that share a prompt."""
        targets = self.target_counts(prompt)
        scores, boxes = self.detector.find(images, list(targets))
        counts = [self.rule.count(*pair) for pair in zip(scores, boxes.detach(), strict=True)]
        whole, soft = (torch.stack(kind) for kind in zip(*counts, strict=True))
        target = torch.tensor(list(targets.values()), dtype=torch.float32, device=whole.device)
        rss, smooth = ((target - kind).square().sum(1) for kind in (whole, soft))
        error = rss + self.settings.tie_break * smooth / (1.0 + smooth)
        if self.settings.score == "bounded":
            return torch.exp(-error / self.settings.scale)
        return 0.0 - (smooth if self.settings.score == "soft" else error)  # never -0.0


def load_detector(path: Path, architecture: str, kind: str, expected: Source) -> torch.nn.Module:
    """The detector in a folder: float32, frozen, in evaluation mode.

    Args:
        path: the folder.
        architecture: the name of the model's class in transformers.
        kind: the `model_type` that its config.json must have.
        expected: what the folder should hold, for errors.
    """
    import transformers

    peek = look(path, expected)
    _check_detector(path, kind, expected, peek)
    model_class = getattr(transformers, architecture)
    with reading(path / "config.json", expected):
        config = model_class.config_class.from_dict(peek.config_copy())
    check_size(path, expected, lambda: model_class(config), shapes_of(path, expected, peek))
    state = preloaded_state(path, expected, peek)
    return whole_model(model_class, path, expected, config, state)


def _check_detector(path: Path, kind: str, expected: Source, peek: Peek) -> None:
    """Raise ValueError unless the folder holds the whole detector of this kind."""
    if peek.kind != kind:
        raise expected.error(path, f"looks like {peek.looks_like()}")
    if peek.config.get("use_pretrained_backbone"):
        raise expected.error(path, "lacks part of its weights, which it would have to download")
    check_config(path, peek.config, expected, peek)
