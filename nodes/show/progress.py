"""How far a search is, in NFE: on its node, and in the console as the host's samplers show it."""

from __future__ import annotations

from typing import Any

from comfy.cli_args import args
from comfy.utils import ProgressBar
from torch import Tensor
from tqdm import tqdm

from ...samplers.purse import Purse
from ...samplers.types import SearchEvent
from ..host.decode import preview
from ..host.guard import guard
from ..host.objective import Images
from .best import Best
from .gallery import previews_on


class Progress(ProgressBar):
    """The bars of all searches of a node.

    While the console's bar is open, the host prints no line when it comes to a model under dynamic
    VRAM (comfy/model_patcher.py:1987). It would print two and more for each particle.
    """

    def __init__(self, total: int) -> None:
        super().__init__(total)  # of the node that runs
        self.logged: set[str] = set()
        self.console: tqdm | None = None
        with guard("show a progress bar in the console", self.logged):
            self.console = tqdm(total=total, unit="NFE")

    def begin(self, image: int, images: int) -> None:
        """Say which image of a batch is searched."""
        with guard("show a progress bar in the console", self.logged):
            if images > 1 and self.console is not None:
                self.console.set_description(f"image {image + 1} of {images}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: Any) -> None:
        with guard("show a progress bar in the console", self.logged):
            if self.console is not None:
                self.console.close()

    def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
        """As the host's ProgressBar.

        Args:
            value: NFE spent so far.
            total: of all searches.
            preview: (format, image, size) for the browser.
        """
        with guard("show a progress bar in the console", self.logged):
            if self.console is not None:
                self.console.update(value - self.console.n)
        with guard("show its progress in the browser", self.logged):
            super().update_absolute(value, total, preview)


class Bar:
    """The part of the bars that is one search's: each image of a batch has a whole budget.

    Args:
        progress: the bars of the node.
        best: sees each event before this does.
        purse: the search's.
        image: its place in the batch.
        logged: what was logged already, and is not again.
    """

    def __init__(
        self, progress: Progress, best: Best, purse: Purse, image: int, logged: set[str]
    ) -> None:
        self.progress, self.best, self.purse = progress, best, purse
        self.first, self.logged = image * int(purse.total), logged

    def see(self, event: SearchEvent, rows: list[dict[str, Any]], images: Images) -> None:
        """Show the image of a new best.

        Args:
            event: of the search.
            rows: the trace rows that it added or changed.
            images: what the objective kept of it.
        """
        if self.best.improved:
            self.advance(self.best.image.image)

    def advance(self, image: Tensor | None = None) -> None:
        """Show what is spent, and an image (1,…) to a browser that gets previews."""
        shown = None
        with guard("make a preview", self.logged):
            if image is not None and previews_on():
                shown = "JPEG", preview(image), args.preview_size
        self.progress.update_absolute(self.first + self.purse.nfe, self.progress.total, shown)

    def end(self, image: Tensor) -> None:
        """The search has ended with an image (1,…)."""
        self.advance(image)
        self.progress.update_absolute(self.first + int(self.purse.total))
