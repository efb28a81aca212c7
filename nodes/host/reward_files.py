"""Files of rewards: where they are, which reward lists which, and what is wrong with others."""

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
FOLDER_WEIGHTS = ("model", "pytorch_model", "open_clip")  # start of names beside a config.json
NO_FILE = "no file yet: put one into models/rewards"
LOGGED: set[str] = set()  # names that the log has reported, so that a refresh does not repeat them


def register_reward_folder() -> None:
    """Add models/rewards to the folders that `extra_model_paths.yaml` lists under `rewards`."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def checkpoints() -> list[str]:
    """Names of weights files, and of folders with a config.json, below the reward folders."""
    names = {name for folder in folder_paths.get_folder_paths(FOLDER) for name in _below(folder)}
    in_folders = {n for n in names if os.path.dirname(n) in names and _is_folder_weights(n)}
    return sorted(n.replace(os.sep, "/") for n in names - in_folders)


def _below(folder: str) -> Iterator[str]:
    """Names of all that may be weights, also of broken links and of folders without permission."""
    failed: list[OSError] = []
    for place, folders, files in os.walk(folder, followlinks=True, onerror=failed.append):
        inner = os.path.relpath(place, folder)
        folders[:] = [name for name in folders if name != ".git" and not _leads_back(place, name)]
        weights = [name for name in files if is_weights(Path(name))]
        is_folder = "config.json" in files or (is_weights(Path(place)) and not weights)
        if inner != "." and is_folder:
            yield inner
        yield from (os.path.normpath(os.path.join(inner, name)) for name in weights)
    unreadable = [str(error.filename) for error in failed]
    yield from (os.path.relpath(place, folder) for place in unreadable if place != folder)


def _leads_back(place: str, name: str) -> bool:
    """Whether a link leads to a folder above itself, so that the walk would never end."""
    path = Path(place, name)
    try:
        return path.is_symlink() and any(path.samefile(above) for above in path.parents)
    except OSError:  # the walk reports what cannot be read
        return False


def _is_folder_weights(name: str) -> bool:
    """Whether a file holds the model that the config.json beside it describes."""
    return is_weights(Path(name)) and os.path.basename(name).lower().startswith(FOLDER_WEIGHTS)


@dataclass(frozen=True)
class RewardFiles:
    """What the reward folders hold: `peeks` by name, and `broken`, what is wrong with others."""

    peeks: Mapping[str, Peek]
    broken: Mapping[str, str]

    @classmethod
    def scan(cls) -> RewardFiles:
        """The files as they are now. The log reports once what no reward can load, and why."""
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
        """The choices of a setting: the files it can load, or a note where to put one."""
        listed = [name for name, contents in self.peeks.items() if _fits(setting, contents)]
        return ["", *listed] if setting.metadata.get("optional") else listed or [NO_FILE]


def _fits(setting: Field, contents: Peek) -> bool:
    try:
        refused = contents.code or contents.no_weights or contents.quantised
        return not refused and setting.metadata["checkpoint"](contents)
    except Exception:  # a config.json may hold nonsense: then no reward lists the folder
        return False


def _problem(contents: Peek) -> str:
    """Why no reward can load these contents, "" if one can."""
    if contents.code:
        return f"asks to run code of its own ({contents.code} in config.json)"
    if contents.no_weights:
        return "has a config.json and no weights"
    if contents.quantised:
        return f"is quantised ({contents.quantised})"
    if contents.truncated:
        return f"cannot be read as weights ({contents.truncated})"
    settings = (setting for reward in REWARDS.values() for setting in fields(reward))
    if any("checkpoint" in each.metadata and _fits(each, contents) for each in settings):
        return ""
    return f"looks like {contents.looks_like()}"


def check_chosen(reward: str, value: Mapping[str, Any]) -> None:
    """Raise ValueError, which says where to get it, if no file is chosen that `reward` needs."""
    for setting in fields(REWARDS[reward]):
        if "checkpoint" not in setting.metadata or setting.metadata.get("optional"):
            continue
        if value.get(setting.name) in (None, "", NO_FILE):
            raise ValueError(
                f"No `{setting.name}` is chosen for {reward}: {_where(setting)}{_broken_files()}"
            )


def _where(setting: Field) -> str:
    folder, fits = folder_paths.get_folder_paths(FOLDER)[0], setting.metadata["checkpoint"]
    if not isinstance(fits, FileFilter):  # a reward that does not say where its files come from
        return f"put a file for it into {folder}."
    what, page = fits.source[:2]
    return f"expected {what}. Get it at {page} and put it into {folder}."


def _broken_files() -> str:
    """What is wrong with files that are there but cannot be loaded, at most two."""
    broken = list(RewardFiles.scan().broken.values())[:2]
    return f" What cannot be loaded: {'; '.join(broken)}." if broken else ""


def resolve(name: str) -> Path:
    """The path of `name` in one of the reward folders; a broken link counts as a file."""
    folders = folder_paths.get_folder_paths(FOLDER)
    parts = PureWindowsPath(name)  # splits at / and at \
    if parts.anchor or ".." in parts.parts:
        raise ValueError(
            f"The reward file is outside the reward folders: got {name!r}, expected a name below "
            f"{' or '.join(folders)}."
        )
    for folder in folders:
        path = Path(folder) / name
        if name and os.path.lexists(path):
            return path
    raise ValueError(
        f"The reward file is in none of the reward folders ({', '.join(folders)}): got {name!r}, "
        f"expected {_one_of(checkpoints())}."
    )


def _one_of(names: list[str]) -> str:
    return f"one of: {', '.join(names)}" if names else "a file, but there is none yet"
