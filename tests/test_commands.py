"""Every command in README, CONTRIBUTING and docs/ is run: by this test, by another one, or by CI.

A program that takes minutes is run as far as its own parser: it reads the arguments and stops.
"""

import argparse
import re
import runpy
import shlex
import shutil
import subprocess
import sys

import pytest
import torch
from pack.tools import checking, installing, writing

from .test_docs import NAMES, ROOT, commands, text_of

CI = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
BY_CI = (
    "comfy --skip-prompt node validate", "pip install comfy-cli==1.23.0",
    "pip install torch --index-url https://download.pytorch.org/whl/cpu",
    "pip install torch pytest hypothesis && pytest tests/samplers",
)  # fmt: skip
NOT_RUN = {
    "git checkout 6d63ecf": "docs/levers.md: an earlier state, which has what was left out",
    "git clone <this repository>": "it has no address yet; tests/host/test_manager.py clones it",
    "comfy node install flow-search": "the pack is not published yet",
    'pip install "ray[default]"': "`ray up` needs it, and no test starts a cluster",
    "pip install ray": "tools/installing.py installs the same Ray for the tests",
    "pip install gguf": "docs/robustness.md says that it was done by hand",
    "pip install comfyui_manager": "tools/installing.py installs the same for the tests",
    "node benchmarks/panel.mjs": "docs/panel.md has what it measured; node only reads it here",
}
OTHER = re.compile(r"`((?:pip|git|comfy|ray|node|npm|pytest) [^`\n]+)`")
BLOCK = re.compile(r"^(?: {4})?((?:pip|git|comfy|ray|node|npm|pytest) .+)$", re.MULTILINE)


class Parsed(Exception):
    """A program has read its arguments."""


def words_of(program):
    """The commands of the pages that begin so, each as words after `python`."""
    every = {tuple(words[1:]) for page in NAMES for words in commands(text_of(page))}
    return sorted(words for words in every if words[: len(program)] == program)


PROGRAMS = sorted({w[:2] if w[0] == "-m" else w[:1] for w in words_of(()) if w[0] != "dev.py"})


@pytest.fixture
def run(monkeypatch):
    """Run a program with these words up to the end of its parser."""
    parse = argparse.ArgumentParser.parse_args

    def stop(parser, args=None, namespace=None):
        raise Parsed(parse(parser, args, namespace))

    def start(words):
        module = words[0] == "-m"
        monkeypatch.setattr(sys, "argv", [*words[module:]])
        with pytest.raises(Parsed):
            if module:
                runpy.run_module(f"pack.{words[1]}", run_name="__main__")
            else:
                runpy.run_path(str(ROOT / words[0]), run_name="__main__")

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    yield start
    assert torch.is_grad_enabled()  # a program changes torch only after it has its arguments


@pytest.mark.parametrize("program", PROGRAMS, ids="-".join)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_a_program_takes_its_arguments(program, run):
    for words in words_of(program):
        run(words)


def dev_commands():
    """What stands after `python dev.py`."""
    for words in words_of(("dev.py",)):
        for part in " ".join(words[1:]).split(" | "):  # as in "demo | test"
            yield shlex.split(part)


def test_the_commands_of_dev_are_run_by_ci():
    """But `serve`, which tests/dev/test_server.py runs, and `check`, which test_check.py runs."""
    for name, *words in dev_commands():
        if name == "check":
            checking.options().parse_args(words)
        elif name == "test":
            assert all((ROOT / word).exists() for word in words), words
            assert "run: python dev.py test" in CI
        elif name == "write":
            assert all(part in writing.PARTS for part in words), words
            assert "run: python dev.py write\n" in CI
            assert f"run: python dev.py write {writing.PICTURES} {writing.THUMBNAILS}" in CI
        elif name == "matrix":
            older = [v for v in installing.COMFYUIS if v != installing.NEWEST]
            assert "FLOW_SEARCH_COMFYUI" in CI and all(f'"{v}"' in CI for v in older)
        elif name != "serve":
            assert f"run: python dev.py {name}" in CI, name


def other_commands():
    """Those of other programs, in backticks or in a line of their own."""
    texts = [text_of(page) for page in NAMES]
    return sorted(
        {line.strip() for text in texts for line in OTHER.findall(text) + BLOCK.findall(text)}
    )


def test_other_programs_are_run_by_ci_or_named_here_with_a_reason():
    found = other_commands()
    rest = [line for line in found if not line.startswith((*NOT_RUN, "ray "))]
    assert [line for line in rest if line not in CI] == []
    assert all(line in found and f"run: {line}" in CI for line in BY_CI)


def test_ray_takes_its_arguments():
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray.scripts.scripts import cli

    lines = [line for line in other_commands() if line.startswith("ray ")]
    assert len(lines) >= 4
    for _, name, *words in map(shlex.split, lines):
        bare = not words  # a page only names it
        assert cli.commands[name].make_context(name, words, resilient_parsing=bare)


def test_node_reads_its_program():
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    subprocess.run(["node", "--check", ROOT / "benchmarks" / "panel.mjs"], check=True)
