"""A small cache of what a scorer computed for a prompt, for the next images of the run."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """The last `size` values of a function of a prompt. Keep tensors in them on the CPU."""

    def __init__(self, size: int = 16) -> None:
        self.size, self.kept = size, OrderedDict[str, T]()

    def __call__(self, prompt: str, make: Callable[[str], T]) -> T:
        """The cached value of `prompt`, else `make(prompt)`."""
        if prompt not in self.kept:
            self.kept[prompt] = make(prompt)
            if len(self.kept) > self.size:
                self.kept.popitem(last=False)
        self.kept.move_to_end(prompt)
        return self.kept[prompt]
