"""How far a search is, in NFE: on its node, and in the console as the host's samplers show it."""

from __future__ import annotations

from typing import Any

from comfy.utils import ProgressBar
from tqdm import tqdm

from ..host.guard import guard


class Progress(ProgressBar):
    """While the console's bar is open, the host prints no line each time that it comes to a model
    under dynamic VRAM (comfy/model_patcher.py:1987): that is twice and more for each candidate.
    """

    def __init__(self, total: int) -> None:
        super().__init__(total)  # of the node that runs
        self.logged: set[str] = set()
        self.console: tqdm | None = None
        with guard("show a progress bar in the console", self.logged):
            self.console = tqdm(total=total, unit="NFE")

    def begin(self, image: int, images: int) -> None:
        """Say which image of a batch is searched: each has the whole budget."""
        if images > 1:
            self.console.set_description(f"image {image + 1} of {images}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: Any) -> None:
        with guard("show a progress bar in the console", self.logged):
            if self.console is not None:
                self.console.close()

    def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
        with guard("show a progress bar in the console", self.logged):
            if self.console is not None:
                self.console.update(value - self.console.n)
        with guard("show its progress in the browser", self.logged):
            super().update_absolute(value, total, preview)
