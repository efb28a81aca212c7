"""docs/models.md is made from the rows in benchmarks/results/models.json, which has all cases.

That the rows hold is tested in tests/host: test_models.py, test_latents.py, test_sigmas.py and
test_tricks.py.
"""

import json

import pytest
from pack.benchmarks import models
from pack.benchmarks.host_cases import page
from pack.benchmarks.host_cases.case import Case
from pack.tools.client import ComfyError
from pack.tools.installing import NEWEST
from pack.tools.probing.tiny import REFUSED
from pack.tools.sections import section


@pytest.mark.parametrize("name", page.CASES)
def test_each_case_has_its_row(name):
    assert [case.names for case in page.CASES[name]] == [
        {key: row[key] for key in ("what", "model") if key in row} for row in page.stored()[name]
    ]


def test_the_page_is_made_from_the_rows():
    for name, text in page.sections(page.stored()).items():
        assert section(page.PAGE, name) == text, f"run `{page.COMMAND} --kept`"


def test_the_page_names_its_command_and_its_comfyui():
    text, kept = page.PAGE.read_text("utf-8"), json.loads(page.ROWS.read_text("utf-8"))
    assert f"\n    {page.COMMAND}\n" in text and kept["command"] == page.COMMAND
    assert f"ComfyUI {kept['comfyui']}," in text and kept["comfyui"] == NEWEST


def test_each_refused_model_has_a_reason():
    assert {key for keys in page.WHY for key in keys.split(", ")} == REFUSED.keys()
    searches = {row["model"]: row["search"] for row in page.stored()["models"]}
    assert {key for key, text in searches.items() if text.startswith(page.REFUSED)} == set(REFUSED)


def test_no_row_fails():
    rows = [row for rows in page.stored().values() for row in rows]
    assert len(rows) > 200 and all(row["search"].startswith(("works", "refused: ")) for row in rows)


def test_the_file_is_as_it_is_stored(tmp_path, monkeypatch):
    before = page.ROWS.read_text("utf-8")
    tables = page.stored()
    monkeypatch.setattr(page, "ROWS", tmp_path / "models.json")
    page.store(NEWEST, tables)
    assert page.ROWS.read_text("utf-8") == before


def unequal(host):
    assert host == "another", "it differs"


def unreachable(host):
    raise ComfyError("The model is too large.\nMore of it")


@pytest.mark.parametrize("measure, said", [(unequal, "it differs"), (unreachable, "The model is")])
def test_a_case_that_fails_is_a_row_that_says_so(measure, said):
    row = models.row_of(Case("it", "SDXL", measure), "a host")
    assert row["what"] == "it" and "\n" not in row["search"]
    assert row["search"].startswith(models.FAILS + said)
    assert row["search"] in page.section("latents", [row])
