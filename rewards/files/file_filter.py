"""Which files a setting of a reward can load."""

from collections.abc import Callable
from dataclasses import dataclass

from .source import Source
from .weights import Peek


@dataclass(frozen=True)
class FileFilter:
    """Whether a setting can load what a `Peek` shows, and what it wants instead."""

    fits: Callable[[Peek], bool]
    source: Source

    def __call__(self, seen: Peek) -> bool:
        return self.fits(seen)
