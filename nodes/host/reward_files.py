"""The files of rewards: where they lie, which family lists which, and what is said of the rest."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path, PureWindowsPath
from typing import Any

import folder_paths

from ...rewards import REWARDS
from ...rewards.files.file_filter import FileFilter
from ...rewards.files.weights import Peek, is_weights, peek

log = logging.getLogger("flow_search")
FOLDER = "rewards"
FOLDERS_OWN = ("model", "pytorch_model", "open_clip")  # how weights beside a config.json begin
NOTHING = "no file yet: put one into models/rewards"
LOGGED: set[tuple[str, str]] = set()  # what was said of a file is not said at every refresh


def register_reward_folder() -> None:
    """models/rewards, beside what `extra_model_paths.yaml` adds under `rewards`."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def checkpoints() -> list[str]:
    """Weight files, and folders with a config.json, below the reward folders."""
    found = {name for folder in folder_paths.get_folder_paths(FOLDER) for name in _below(folder)}
    in_folders = {n for n in found if os.path.dirname(n) in found and _of_a_folder(n)}
    return sorted(n.replace(os.sep, "/") for n in found - in_folders)


def _below(folder: str) -> Iterator[str]:
    """Names of what may be weights, those of broken links, and of folders that may not be read."""
    failed: list[OSError] = []
    for place, folders, files in os.walk(folder, followlinks=True, onerror=failed.append):
        inner = os.path.relpath(place, folder)
        folders[:] = [name for name in folders if name != ".git" and not _leads_back(place, name)]
        weights = [name for name in files if is_weights(Path(name))]
        is_folder = "config.json" in files or (is_weights(Path(place)) and not weights)
        if inner != "." and is_folder:
            yield inner
        yield from (os.path.normpath(os.path.join(inner, name)) for name in weights)
    closed = [str(error.filename) for error in failed]
    yield from (os.path.relpath(place, folder) for place in closed if place != folder)


def _leads_back(place: str, name: str) -> bool:
    """Whether a link leads to a folder that the walk came through, and would for ever."""
    path = Path(place, name)
    try:
        return path.is_symlink() and any(path.samefile(above) for above in path.parents)
    except OSError:  # what may not be read is told of by the walk
        return False


def _of_a_folder(name: str) -> bool:
    """Whether a file is what the config.json beside it tells of, and not another."""
    return is_weights(Path(name)) and os.path.basename(name).lower().startswith(FOLDERS_OWN)


@dataclass(frozen=True)
class Shelf:
    """What lies in the reward folders, by name; `broken` is what is wrong with the rest."""

    peeks: Mapping[str, Peek]
    broken: Mapping[str, str]

    @classmethod
    def look(cls) -> Shelf:
        """As it is now. The log tells of what no family lists, and why, once."""
        peeks, broken = {}, {}
        for name in checkpoints():
            try:
                peeks[name] = peek(resolve(name))
            except (ValueError, OSError) as error:
                broken[name] = str(error).rstrip(".")
            else:
                if problem := _problem(peeks[name]):
                    broken[name] = f"{peeks[name].path} {problem}"
        for name in broken.keys() - LOGGED:
            log.warning("%s. No reward can load it.", broken[name])
        LOGGED.clear()
        LOGGED.update(broken)
        return cls(peeks, broken)

    def loadable(self, setting: Field) -> list[str]:
        """The choices of a setting: what its family can load, or else where files go."""
        listed = [name for name, seen in self.peeks.items() if _fits(setting, seen)]
        return ["", *listed] if setting.metadata.get("optional") else listed or [NOTHING]


def _fits(setting: Field, seen: Peek) -> bool:
    try:
        sound = not (seen.code or seen.no_weights or seen.quantised)
        return sound and setting.metadata["checkpoint"](seen)
    except Exception:  # nonsense in a config.json: no family lists it
        return False


def _problem(seen: Peek) -> str:
    """Why what can be read cannot be loaded, "" if it can."""
    if seen.code:
        return f"asks to run code of its own ({seen.code} in config.json)"
    if seen.no_weights:
        return "has a config.json and no weights"
    if seen.quantised:
        return f"is quantised ({seen.quantised})"
    if seen.truncated:
        return f"cannot be read as weights ({seen.truncated})"
    settings = (setting for reward in REWARDS.values() for setting in fields(reward))
    if any("checkpoint" in each.metadata and _fits(each, seen) for each in settings):
        return ""
    return f"looks like {seen.looks_like()}"


def check_chosen(reward: str, value: Mapping[str, Any]) -> None:
    """Raise ValueError, with the page to get it from, where the family needs a file and there is
    none.
    """
    for setting in fields(REWARDS[reward]):
        if "checkpoint" not in setting.metadata or setting.metadata.get("optional"):
            continue
        if value.get(setting.name) in (None, "", NOTHING):
            raise ValueError(
                f"No `{setting.name}` is chosen for {reward}: {_where(setting)}{_lying()}"
            )


def _where(setting: Field) -> str:
    folder, fits = folder_paths.get_folder_paths(FOLDER)[0], setting.metadata["checkpoint"]
    if not isinstance(fits, FileFilter):  # of a reward that does not say what it wants
        return f"put a file for it into {folder}."
    what, page = fits.source[:2]
    return f"expected {what}. Get it at {page} and put it into {folder}."


def _lying() -> str:
    """What is there, but is not what it is called."""
    lying = list(Shelf.look().broken.values())[:2]
    return f" What cannot be loaded: {'; '.join(lying)}." if lying else ""


def resolve(name: str) -> Path:
    """The file or folder called `name` in one of the reward folders; a broken link is one, too."""
    folders = folder_paths.get_folder_paths(FOLDER)
    parts = PureWindowsPath(name)  # of / and \ alike
    if parts.anchor or ".." in parts.parts:
        raise ValueError(
            f"reward file {name!r} leads out of the reward folders, wanted a name below one of "
            f"them ({', '.join(folders)})."
        )
    for folder in folders:
        path = Path(folder) / name
        if name and os.path.lexists(path):
            return path
    raise ValueError(
        f"reward file {name!r} is in none of the reward folders ({', '.join(folders)}), wanted one "
        f"of: {', '.join(checkpoints()) or 'nothing is there yet'}."
    )
