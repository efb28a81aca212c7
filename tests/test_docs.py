"""README fits on a screen, links lead somewhere, and commands name what is there."""

import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = re.search(
    '^Repository = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
)[1]
RAW = f"{REPOSITORY}/main/".replace("github.com", "raw.githubusercontent.com")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "demo" / "README.md"])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(page):
    return (ROOT / page).read_text("utf-8")


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    bare = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in bare}


def commands(text):
    """The words of each `python …` command, in backticks, indented or in a block."""
    text = re.sub(r"\\\n\s*", "", text)
    found = re.findall(r"`(python [^`\n]*)`", text)
    found += re.findall(r"^(?: {4})?(?:[A-Z_]+=\S+ )*(python [^`|\n]*)$", text, re.MULTILINE)
    return [shlex.split(command.replace("…", "")) for command in found]


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_readme_fits_on_a_screen(page):
    text = text_of(page)
    numbers = re.findall(r"(?<![\w./])\d+(?:\.\d+)?(?![\w./])", text)
    assert len(text.splitlines()) <= 130
    assert len(re.findall(r"\S*\w\S*", text)) <= 800
    assert len(numbers) <= 30


@pytest.mark.parametrize("page", NAMES)
def test_every_link_and_anchor_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)", text_of(page)):
        link = unquote(link).removeprefix(f"{REPOSITORY}/blob/main/").removeprefix(RAW)
        if link.startswith("https://"):
            continue
        to, _, anchor = link.partition("#")
        base = (ROOT / page).parent if not (ROOT / to).exists() or not to else ROOT
        target = base / to if to else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", NAMES)
def test_every_command_names_a_program_and_its_options(page):
    """A program reads its options itself or from a module of its own folder."""
    for words in commands(text_of(page)):
        module = words[1] == "-m"
        program = ROOT / (words[2].replace(".", "/") + ".py" if module else words[1])
        assert program.is_file(), words
        source = "".join(path.read_text("utf-8") for path in program.parent.glob("*.py"))
        options = [word.partition("=")[0][2:] for word in words if word.startswith("--")]
        unknown = [name for name in options if not re.search(rf'"(--)?{name}"|\b{name}=', source)]
        assert not unknown, words


def test_the_readers_of_this_test_find_what_they_should():
    assert commands("Run `python dev.py demo`.\n    python a.py \\\n        --b\n") == [
        ["python", "dev.py", "demo"],
        ["python", "a.py", "--b"],
    ]
    assert "will-it-fit" in anchors("docs/troubleshooting.md")
