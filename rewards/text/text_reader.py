"""Text Reader: reads the text in an image and compares it with the text in quotes in the prompt.

    edit    score = 1 - min(D / L, 1),   D the edit distance (Levenshtein), L the wanted letters
    soft    score = exp(-S / L),         S = -log p(text) / u

CRAFT finds the lines. A CTC reader spells them letter by letter, so it does not correct a misspelt
word as a language model would. D counts letters that are wrong, lack or are too many, over the best
matching of texts and lines; spaces do not count. In S, p is the reader's probability of the text
(CTC) and u what one wrong letter costs: S is about D, and differentiable in the images. A text
that is nowhere costs its letters. Both scores are in [0, 1], and 1 is right.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..count.blame import box_map, stacked
from ..files.file_filter import FileFilter
from ..types import Files, check_batch
from .craft import DETECTOR, is_detector, load_detector
from .line_reader import READER, is_reader, load_reader
from .matching import Matching, distance, match, wrong_letters
from .quoted_text import texts_in
from .reading import Line, log_probabilities, plain, read_lines, silence_cost, spelling_cost


def spans(lines: list[str], texts: list[str]) -> Iterator[tuple[int, int, int]]:
    """(text, first line, behind the last) for all places where a text may be.

    Several lines together have at most twice the letters of the text: more are never better.
    """
    for t, text in enumerate(texts):
        for first in range(len(lines)):
            for behind in range(first + 1, len(lines) + 1):
                letters = sum(map(len, lines[first:behind]))
                if behind > first + 1 and letters > 2 * len(text):
                    break
                yield t, first, behind


@dataclass(frozen=True)
class TextScorer:
    """A loaded reader. Images are read on the device of `module`, one at a time."""

    blames: ClassVar[bool] = True

    module: nn.ModuleDict
    settings: "TextReader"

    def check(self, prompt: str) -> None:
        texts_in(prompt, self.settings.text)

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        check_batch(images, prompts)
        scores = [self._score(*pair) for pair in zip(images, prompts, strict=True)]
        return torch.stack(scores).to(images.device) if scores else images.new_zeros(0).float()

    def blame(self, images: Tensor, prompts: list[str]) -> Tensor:
        """Maps (B, H, W): wrong letters, gaps where one lacks, other text, room for what lacks."""
        check_batch(images, prompts)
        with torch.no_grad():
            maps = [self._blame(*pair) for pair in zip(images, prompts, strict=True)]
        return stacked([box_map(*each, images.shape[1:3]) for each in maps], images)

    def _score(self, image: Tensor, prompt: str) -> Tensor:
        texts = self._targets(prompt)
        if not image.isfinite().all():
            return torch.tensor(float("nan"))
        lines, letters = self._read(image), sum(map(len, texts))
        if self.settings.score == "soft":
            return (-self._soft_cost(lines, texts) / letters).exp()
        return torch.tensor(1.0 - min(self._matched(lines, texts).cost / letters, 1.0))

    def _targets(self, prompt: str) -> list[str]:
        return [self._plain(text) for text in texts_in(prompt, self.settings.text)]

    def _plain(self, text: str) -> str:
        return plain(text, self.settings.case == "ignore")

    def _read(self, image: Tensor) -> list[Line]:
        weight = self.module["reader"].Prediction.weight
        image = image.to(weight.device, torch.float32).clamp(0.0, 1.0)
        detector, reader = self.module["detector"], self.module["reader"]
        return read_lines(detector, reader, image, self.settings.magnify)

    def _matched(self, lines: list[Line], texts: list[str]) -> Matching:
        read, inside = [self._plain(line.text) for line in lines], not self.settings.strict
        costs = {
            (t, a, b): distance(texts[t], "".join(read[a:b]), inside)
            for t, a, b in spans(read, texts)
        }
        return match([len(r) * self.settings.strict for r in read], list(map(len, texts)), costs)

    def _soft_cost(self, lines: list[Line], texts: list[str]) -> Tensor:
        frames = [log_probabilities(line, self.settings.case == "ignore") for line in lines]
        extra = [silence_cost(each) * self.settings.strict for each in frames]
        read = [self._plain(line.text) for line in lines]
        costs = {(t, a, b): spelling_cost(texts[t], frames[a:b]) for t, a, b in spans(read, texts)}
        floats = {span: float(cost.detach()) for span, cost in costs.items()}
        chosen = match(
            [float(each.detach()) for each in extra], list(map(len, texts)), floats
        ).spans
        taken = {line for first, behind in chosen.values() for line in range(first, behind)}
        missing = sum(len(text) for t, text in enumerate(texts) if t not in chosen)
        parts = [costs[t, first, behind] for t, (first, behind) in chosen.items()]
        parts += [cost for line, cost in enumerate(extra) if line not in taken]
        return torch.stack([torch.tensor(float(missing)), *parts]).sum()

    def _blame(self, image: Tensor, prompt: str) -> tuple[Tensor, list[float], int]:
        """Boxes as shares of the image's sides, the blame of each, and how many letters lack."""
        texts = self._targets(prompt)
        if not image.isfinite().all():
            return torch.empty(0, 4), [], 0
        lines = self._read(image)
        matched = self._matched(lines, texts).spans
        strict = self.settings.strict
        weights = [[float(strict)] * (len(line.text) + 1) for line in lines]
        for t, (first, behind) in matched.items():
            read = "".join(self._plain(line.text) for line in lines[first:behind])
            wrong, lacking = wrong_letters(texts[t], read, not strict)
            marks, at = {*wrong, *lacking}, 0
            for n in range(first, behind):
                length = len(lines[n].text)
                weights[n] = [float(at + i in marks) for i in range(length)] + [0.0]
                weights[n][length] = float(n == behind - 1 and at + length in marks)
                at += length
        missing = sum(len(text) for t, text in enumerate(texts) if t not in matched)
        boxes = [box for line in lines for box in letter_boxes(line, image)]
        return torch.tensor(boxes).reshape(-1, 4), [w for row in weights for w in row], missing


def letter_boxes(line: Line, image: Tensor) -> list[tuple[float, float, float, float]]:
    """The boxes of a line's letters and of its end: centre and size, as shares of the image."""
    left, top, right, bottom = line.box
    height, width = image.shape[:2]
    edges = [0.0, *((a + b) / 2 for a, b in zip(line.middles, line.middles[1:], strict=False))]
    if line.middles:
        edges.append(min(0.99, 2 * line.middles[-1] - edges[-1]))
    edges.append(1.0)
    y, h = (top + bottom) / 2 / height, (bottom - top) / height
    return [
        ((left + (a + b) / 2 * (right - left)) / width, y, (b - a) * (right - left) / width, h)
        for a, b in zip(edges, edges[1:], strict=False)
    ]


@dataclass(frozen=True)
class TextReader:
    """Settings of the Text Reader."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "File of EasyOCR's reader, english_g2.pth: English letters, digits, signs.",
            "checkpoint": FileFilter(is_reader, READER),
        },
    )
    detector: str = field(
        default="",
        metadata={
            "tooltip": "File of the detector CRAFT, craft_mlt_25k.pth. It finds the lines of text.",
            "checkpoint": FileFilter(is_detector, DETECTOR),
        },
    )
    score: str = field(
        default="edit",
        metadata={
            "tooltip": "edit counts wrong letters. soft uses the reader's probabilities: it ranks "
            "images of equal errors and has a gradient.",
            "choices": ("edit", "soft"),
        },
    )
    text: str = field(
        default="",
        metadata={
            "tooltip": "Text to read, one a line. If empty, it is the text in quotes in the "
            "prompt.",
            "multiline": True,
            "placeholder": "OPEN 24 HOURS",
        },
    )
    other_text: str = field(
        default="forbid",
        metadata={
            "tooltip": "What to do with other text in the image: forbid counts its letters as "
            "wrong, ignore does not.",
            "choices": ("forbid", "ignore"),
        },
    )
    case: str = field(
        default="ignore",
        metadata={
            "tooltip": "Whether Open and OPEN are the same text.",
            "choices": ("ignore", "match"),
            "advanced": True,
        },
    )
    magnify: float = field(
        default=1.0,
        metadata={
            "tooltip": "Enlarges the image for the detector. Try 2 if it misses small text; it "
            "takes 4 times as long.",
            "min": 0.5,
            "max": 4.0,
            "step": 0.5,
            "advanced": True,
        },
    )

    @property
    def strict(self) -> bool:
        """Whether other text counts as wrong."""
        return self.other_text == "forbid"

    @property
    def maximum(self) -> float | None:
        return 1.0 if self.score == "edit" else None

    def load(self, files: Files | None = None) -> TextScorer:
        files = files or Files()
        parts = {
            "reader": load_reader(files.find(self.checkpoint)),
            "detector": load_detector(files.find(self.detector)),
        }
        # Thresholds and few parameters: half precision would move the boxes and save little.
        return TextScorer(nn.ModuleDict(parts).eval(), self)
