#!/usr/bin/env python3
"""Flow Search from a checkout, with nothing but Python 3.10 or newer:

    python dev.py demo     run 8 hard prompts by four methods in a real ComfyUI
    python dev.py test     run every test (more arguments go to pytest: python dev.py test -k rbf)
    python dev.py serve    leave ComfyUI running with this pack (more arguments go to ComfyUI)
    python dev.py check    run your own model and reward, and write a file for an issue
    python dev.py write    make the generated files anew (more arguments name some of them)
    python dev.py models   list the model classes of ComfyUI that docs/models.md lacks
    python dev.py matrix   run the tests of tests/host on every supported ComfyUI

The first run sets up a ComfyUI in a cache folder outside the checkout, and links the checkout into
it. FLOW_SEARCH_CACHE moves that folder; FLOW_SEARCH_COMFYUI chooses an older version. COMFYUI_PATH
uses your own ComfyUI instead, with its Python or COMFYUI_PYTHON; nothing is installed there.
"""

from __future__ import annotations

import hashlib
import os
import platform
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 (this file still parses with 3.8)
    sys.exit(f"Flow Search needs Python 3.10 or newer: got {platform.python_version()}. "
             "Get one from python.org and run dev.py with it.")  # fmt: skip

ROOT = Path(__file__).resolve().parent
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.tools import checking, demonstration, installing, model_classes, serving, writing
from pack.tools.chromium import chromium
from pack.tools.installing import Host, cache_dir
from pack.tools.processes import WINDOWS, Fail, say, tail


def demo(host: Host, extra: list[str]) -> int:
    """Run the demo in ComfyUI, then judge what it found."""
    results = ROOT / "tools" / "demo_results.py"
    return foreground([str(host.python), str(results), str(demonstration.run(host, extra))], host)


def serve(host: Host, extra: list[str]) -> int:
    place = hashlib.sha256(f"{ROOT}\n{'' if host.built else host.path}".encode()).hexdigest()[:8]
    base = cache_dir() / "serve" / place
    port = int(extra[extra.index("--port") + 1]) if "--port" in extra[:-1] else 0
    with tempfile.TemporaryDirectory(prefix="flow-search-", ignore_cleanup_errors=True) as temp:
        log = Path(temp) / "comfyui.log"
        options = ["--temp-directory", temp, *extra]
        with serving.server(host, base, log, port, options) as (url, process):
            say(f"\nComfyUI with Flow Search: {url}\n  workflows, models, images: {base}")
            say(f"  log: {log}\nCtrl-C stops it.")
            code = process.wait()
        raise Fail(f"ComfyUI ended by itself ({code}):\n{tail(log)}")


def test(host: Host, extra: list[str]) -> int:
    def has(module: str) -> bool:
        command = [str(host.python), "-c", f"import {module}"]
        return subprocess.run(command, capture_output=True).returncode == 0

    if not (has("pytest") and has("hypothesis")):
        pip = f'"{host.python}" -m pip install {" ".join(installing.TOOLS)}'
        raise Fail(f"The Python of this ComfyUI lacks the test tools. Install them with\n  {pip}")
    python, codes = [str(host.python), "-m"], []
    if has("ruff"):
        codes.append(foreground([*python, "ruff", "check", "."], host))
    else:
        say("Skipping ruff: this Python does not have it.")
    tools = browser_tools(install=not extra or any(map(in_host_tier, extra)))
    if tools is not None:
        os.environ["FLOW_SEARCH_JS"] = str(tools)  # where the tests of the panel find it
    named = any((ROOT / word.split("::")[0]).exists() for word in extra)
    count = 1 if extra or not has("xdist") else test_processes()
    # Each process has a ComfyUI. It gets whole files, in the order of tests/conftest.py.
    by_file = ["-n", str(count), "--dist", "loadfile", "--no-loadscope-reorder"]
    spread = by_file if count > 1 else []
    if spread:  # all cores have a process: more threads would wait for one another
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    words = ["pytest", *([] if named else ["tests"]), *spread, *extra]
    codes.append(foreground([*python, *words], host))
    if not extra:
        codes += web_tests(tools, host)
    return next((code for code in codes if code), 0)


def test_processes() -> int:
    """How many processes run the tests: one more than cores, since some wait for a browser.

    Each may take 4 GB of memory. Where there is less, a core has one process.
    """
    cores, memory = os.cpu_count() or 1, 0
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(4, cores + (memory >= (cores + 1) * 4 * 10**9))


def write(host: Host, extra: list[str]) -> int:
    """Write the generated files; `extra` names parts of them."""
    if unknown := [word for word in extra if word not in writing.PARTS]:
        parts = ", ".join(writing.PARTS)
        raise Fail(f"There is no such part to write: got {unknown[0]}, expected one of {parts}.")
    code = writing.write(host, [part for part in writing.TESTS if not extra or part in extra])
    if not extra or writing.MODELS in extra:
        program = ROOT / "benchmarks" / "models.py"
        code = foreground([str(host.python), str(program), "--write"], host) or code
    if not extra or writing.PICTURES in extra:
        code = help_pictures(host, make_all=bool(extra)) or code
    if writing.THUMBNAILS in extra:  # by name only: JPEG files differ a little between machines
        code = on_server(host, "thumbnails.py", []) or code
    return code


def models(host: Host, extra: list[str]) -> int:
    """Print the model classes that the page lacks; 1 if there are any."""
    missing = model_classes.missing(host.path)
    for name in missing:
        say(f"docs/models.md lacks {name}. Add it to tools/probing/tiny, and write models.")
    say(f"{len(missing)} of {len(model_classes.classes_of(host.path))} model classes are missing.")
    return 1 if missing else 0


def help_pictures(host: Host, make_all: bool) -> int:
    """Make the images of the help pages anew: those of changed workflows, or all of them."""
    modules, browser = browser_tools(install=True), chromium()
    if modules is None or browser is None:
        say("Skipping the images of the help pages: they need npm and a Chromium or Chrome.")
        return 0
    words = [str(modules), browser, *(["--all"] if make_all else [])]
    return on_server(host, "help_pictures.py", words)


def on_server(host: Host, name: str, words: list[str]) -> int:
    """Run a script of tools/workflows with the URL of a ComfyUI of its own.

    Args:
        host: the ComfyUI.
        name: of the script.
        words: further arguments of the script.
    """
    script = ROOT / "tools" / "workflows" / name
    with tempfile.TemporaryDirectory(prefix="flow-search-", ignore_cleanup_errors=True) as base:
        with serving.server(host, Path(base), Path(base) / "comfyui.log") as (url, _):
            return foreground([str(host.python), str(script), url, *words], host)


def in_host_tier(word: str) -> bool:
    """Whether an argument of pytest names tests/host (with the browser's test) or a file in it."""
    return (ROOT / word.split("::")[0]).is_relative_to(ROOT / "tests" / "host")


def matrix(extra: list[str]) -> int:
    """Run the tests of tests/host on each ComfyUI in turn; more arguments go to pytest."""
    codes = {}
    for version in installing.COMFYUIS:
        say(f"\nComfyUI {version}")
        env = {k: v for k, v in os.environ.items() if k != "COMFYUI_PATH"}
        command = [sys.executable, str(ROOT / "dev.py"), "test", "tests/host", *extra]
        done = subprocess.run(command, env=env | {"FLOW_SEARCH_COMFYUI": version})
        codes[version] = done.returncode
    say("\n" + "\n".join(f"ComfyUI {v}: {'failed' if c else 'passed'}" for v, c in codes.items()))
    return next((code for code in codes.values() if code), 0)


def web_tests(tools: Path | None, host: Host) -> list[int]:
    """Run the tests of the panel that need no browser: those in Node.js, and the type check."""
    node = shutil.which("node")
    if node is None:
        say("Skipping the tests of the panel: they need Node.js 20 or newer.")
        return []
    scripts = [str(file) for file in sorted(ROOT.glob("tests/web/*.test.mjs"))]
    codes = [foreground([node, "--test", *scripts], host)]
    if tools is not None:
        tsc = str(tools / "typescript" / "bin" / "tsc")
        codes.append(foreground([node, tsc, "--noEmit", "-p", "tests/web/jsconfig.json"], host))
    return codes


def browser_tools(install: bool) -> Path | None:
    """The node_modules that tests/web/package-lock.json pins; None if they are not installed.

    They are in the cache folder. Without npm or network the tests that need them are skipped.

    Args:
        install: whether to install them if they are missing.
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
    """Run a command on this terminal with COMFYUI_PATH set; the command handles Ctrl-C itself."""
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"COMFYUI_PATH": str(host.path)})
    try:
        return process.wait()
    except SystemExit:
        process.send_signal(signal.SIGTERM if WINDOWS else signal.SIGINT)
        raise
    finally:
        process.wait()


def main(argv: list[str]) -> int:
    commands = {
        "demo": demo, "test": test, "serve": serve, "check": checking.main, "write": write,
        "models": models,
    }  # fmt: skip
    if not argv or argv[0] not in (*commands, "matrix"):
        say(__doc__)
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    sys.stdout.reconfigure(errors="replace")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores Ctrl-C
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):  # so that every `finally` runs
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: sys.exit(128 + number))
    try:
        if argv[0] == "matrix":
            return matrix(argv[1:])
        if argv[0] == "check":
            checking.refuse_without_models(argv[1:])
        return commands[argv[0]](installing.find_host(), argv[1:])
    except Fail as error:
        say(f"\ndev.py: {error}")
    except OSError as error:
        say(f"\ndev.py: {error}. If this is about {cache_dir()}, set FLOW_SEARCH_CACHE elsewhere.")
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
