"""Which files a setting of a reward can load."""

from collections.abc import Callable
from dataclasses import dataclass

from .source import Source
from .weights import Peek


@dataclass(frozen=True)
class FileFilter:
    """Whether a setting can load a file, by its `Peek`, and the `source` of files that it can."""

    accepts: Callable[[Peek], bool]
    source: Source

    def __call__(self, peek: Peek) -> bool:
        return self.accepts(peek)
