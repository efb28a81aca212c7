"""Each entry of a registry has its row in the help pages; `python dev.py write help` adds it."""

from pathlib import Path

import pytest
from pack.rewards import REWARDS
from pack.samplers.guidance import GUIDANCES
from pack.samplers.interpolants import INTERPOLANTS
from pack.samplers.kernels import KERNELS
from pack.samplers.search import SEARCHES
from pack.tools.help_rows import completed

ROOT = Path(__file__).resolve().parent.parent
HELP = {
    "FlowSearchParticles": [SEARCHES],
    "FlowSearchRewardLoader": [REWARDS],
    "FlowSearchVPSDESampler": [KERNELS, INTERPOLANTS, GUIDANCES],
}
PAGES = {f"web/docs/{node}{lang}.md": r for node, r in HELP.items() for lang in ("", "/zh")}


@pytest.mark.parametrize("page", [*PAGES, "docs/rewards.md"])
def test_each_entry_has_its_row(page, generated):
    text = (ROOT / page).read_text("utf-8")
    for registry in PAGES.get(page, [REWARDS]):
        text = completed(text, registry)
    generated(page, text)


class Known:
    """Is known. More of it."""


class Mine:
    """Is a formula, a | b,
    over two lines. More of it.
    """


class Other(Mine):
    description = "Is described."


Other.__module__ = "elsewhere.file"
PAGE = "# Page\n\n| reward | what |\n| --- | --- |\n| `known`, x2 | yes | no |\n\nEnd.\n"


def test_a_new_entry_comes_below_its_kind():
    after = completed(PAGE, {"known": Known, "mine": Mine, "other": Other})
    added = r"| `mine` | Is a formula, a \| b, over two lines. |  |" + "\n"
    added += "| `other` | Is described. |  |\n"
    assert after == PAGE.replace("\n\nEnd", f"\n{added}\nEnd")
    assert completed(after, {"known": Known, "mine": Mine, "other": Other}) == after


def test_a_page_without_such_rows_stays_as_it_is():
    assert completed("| a | b |\n", {"mine": Mine}) == "| a | b |\n"
