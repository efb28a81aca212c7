"""What an image says: its lines of text, each with the letters read and their probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .craft import craft_pixels
from .line_reader import LETTERS, decoded, line_pixels
from .lines import Box, lines_of, words_in

DOUBT = 0.01  # share of probability that is spread over all letters
SPACE = LETTERS.index(" ") + 1


@dataclass(frozen=True)
class Line:
    """A line of text in an image.

    Args:
        box: left, top, right and bottom in pixels.
        text: its letters, without spaces.
        middles: where the middle of each letter is, from the left end, 0, to the right, 1.
        logits: (T, letters + 1).
    """

    box: tuple[int, int, int, int]
    text: str
    middles: list[float]
    logits: Tensor


def read_lines(detector: nn.Module, reader: nn.Module, image: Tensor, magnify: float) -> list[Line]:
    """The lines in an image, in reading order. Logits have a gradient in it, places have none.

    Args:
        detector: CRAFT.
        reader: the network that reads a line.
        image: (H, W, 3) in [0, 1].
        magnify: how much larger the detector sees it.
    """
    with torch.no_grad():
        pixels, scale = craft_pixels(image, magnify)
        region, affinity = detector(pixels)[0].float().cpu().numpy()
    size = (image.shape[0], image.shape[1])
    ratio = 2.0 / scale  # the maps have half the size of the pixels
    words = [Box(*(side * ratio for side in word)) for word in words_in(region, affinity)]
    return [_read(reader, image, box) for box in lines_of(words, size)]


def _read(reader: nn.Module, image: Tensor, box: tuple[int, int, int, int]) -> Line:
    pixels, share = line_pixels(image, box)
    logits = reader(pixels)[0].float()
    text, middles = decoded(logits)
    kept = [i for i, letter in enumerate(text) if letter != " "]
    return Line(
        box, "".join(text[i] for i in kept), [min(1.0, middles[i] / share) for i in kept], logits
    )


def plain(text: str, ignore_case: bool) -> str:
    """A text as it is compared: without spaces, and in lower case if case does not count."""
    text = "".join(text.split())
    return text.lower() if ignore_case else text


def log_probabilities(line: Line, ignore_case: bool) -> Tensor:
    """(T, letters + 1) on the CPU: a space counts as no letter, and perhaps a capital as small."""
    chances = line.logits.softmax(-1).cpu()
    classes = torch.arange(chances.shape[1])
    classes[SPACE] = 0
    if ignore_case:
        classes[1:] = torch.tensor([_label(letter.lower()) for letter in LETTERS])
        classes[SPACE] = 0
    merged = torch.zeros_like(chances).index_add(1, classes, chances)
    return ((1.0 - DOUBT) * merged + DOUBT / chances.shape[1]).log()


def unit(letters: int) -> float:
    """What a wrong letter costs, in nats: that is the least log probability."""
    return float(torch.tensor(letters / DOUBT).log())


def _label(letter: str) -> int:
    return LETTERS.index(letter) + 1


def spelling_cost(text: str, lines: Sequence[Tensor]) -> Tensor:
    """-log p(text) / unit: about the number of wrong letters. Infinite if there are few frames.

    Args:
        text: as it is compared.
        lines: log probabilities of the lines, one after the other.
    """
    frames = torch.cat(list(lines))
    target = torch.tensor([_label(letter) for letter in text])
    # On the CPU the order of sums is always the same, and no device lacks it.
    sizes = (torch.tensor([len(frames)]), torch.tensor([len(text)]))
    loss = F.ctc_loss(frames[:, None], target[None], *sizes, reduction="sum")
    return loss / unit(frames.shape[1])


def silence_cost(line: Tensor) -> Tensor:
    """-log p(no letter) / unit of a line: about the number of its letters."""
    return -line[:, 0].sum() / unit(line.shape[1])
