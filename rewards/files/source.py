"""What a family loads and where it is to be had, and what is said of a file that is not it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .broken_files import reason
from .json_files import check_beside


class Unreadable(ValueError):
    """What lies at ``path`` has a ``problem``."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} {problem}.")
        self.path, self.problem = path, problem


class Source(NamedTuple):
    """What a family loads, for its errors: a noun phrase, and the page to get it from.

    ``others`` are further repositories ("owner/name"): named in place of the page of a file or
    folder that bears the name of one of them.
    """

    what: str
    page: str
    others: tuple[str, ...] = ()

    def error(self, path: Path, problem: str) -> ValueError:
        """``path`` has a ``problem`` ("looks like SigLIP", "cannot be read")."""
        page = self.page_of(path)
        return ValueError(f"{path} {problem}: {self.what} is wanted, to be had at {page}.")

    def page_of(self, path: Path) -> str:
        """The page of what ``path`` is called after, its folder or the one above included."""
        called = " ".join(_letters(part) for part in path.parts[-3:])
        names = {_letters(re.sub(r".*/|_v\d+$", "", name)): name for name in self.others}
        found = [name for name in names if name in called]
        return f"https://huggingface.co/{names[max(found, key=len)]}" if found else self.page


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@contextmanager
def reading(file: Path, source: Source) -> Iterator[None]:
    """Whatever fails inside is that ``file``, or one in that folder, cannot be read."""
    try:
        if file.is_dir():
            check_beside(file)
        yield
    except Exception as error:  # of whatever reads that kind of file
        raise source.error(file, f"cannot be read ({reason(file, error)})") from error
