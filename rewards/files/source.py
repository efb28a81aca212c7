"""What a family loads and where to get it, and the errors about files that are something else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .broken_files import reason
from .json_files import check_beside


class Unreadable(ValueError):
    """The file or folder at `path` has a `problem` ("cannot be read")."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} {problem}.")
        self.path, self.problem = path, problem


class Source(NamedTuple):
    """What a family loads and where to get it, for its errors.

    Args:
        what: a noun phrase, such as "a CLIP model".
        page: the address to download it from.
        repositories: further repositories ("owner/name"). A file or folder named like one of them
            gets that repository's page in its error.
    """

    what: str
    page: str
    repositories: tuple[str, ...] = ()

    def error(self, path: Path, problem: str) -> ValueError:
        """The error that `path` has a `problem`, a verb phrase such as "looks like SigLIP"."""
        page = self.page_of(path)
        return ValueError(f"{path} {problem}: expected {self.what}. Get it at {page}.")

    def page_of(self, path: Path) -> str:
        """The page of the repository that `path` or one of its last two folders is named after."""
        called = " ".join(_letters(part) for part in path.parts[-3:])
        names = {_letters(re.sub(r".*/|_v\d+$", "", name)): name for name in self.repositories}
        fitting = [name for name in names if name in called]
        return f"https://huggingface.co/{names[max(fitting, key=len)]}" if fitting else self.page


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@contextmanager
def reading(file: Path, source: Source) -> Iterator[None]:
    """Turn any failure inside into the error that `file` cannot be read; it may be a folder."""
    try:
        if file.is_dir():
            check_beside(file)
        yield
    except Exception as error:  # the readers of these files raise errors of many kinds
        raise source.error(file, f"cannot be read ({reason(file, error)})") from error
