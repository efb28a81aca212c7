"""docs/levers.md is made from the kept rows, and levers are told from their rivals in pairs."""

from pack.benchmarks import lever_page
from pack.benchmarks.kept_rows import Kept
from pack.benchmarks.lever_plan import DRAFT, LEVERS
from pack.benchmarks.multiplier_runs import COLUMNS
from pack.samplers.search import SEARCHES


def test_the_page_is_made_from_the_rows():
    assert lever_page.page(lever_page.FOLDER) == lever_page.PAGE.read_text("utf-8")


def test_every_lever_changes_one_thing_of_a_method_in_the_tree():
    for lever in LEVERS:
        assert lever.plain.budget == lever.setting.budget
        if lever.is_in_the_tree:
            assert lever.setting.search() != lever.plain.search()
            assert lever.plain.method in (lever.setting.method, "regional")
    away = {lever.setting.method for lever in LEVERS} - set(SEARCHES)
    assert away == {"pruned"} and DRAFT in lever_page.page(lever_page.FOLDER)


def test_a_gain_is_paired_by_prompt_and_seed(tmp_path):
    def run(number, seed, right):
        return [number, seed, right, *[0.0] * (len(COLUMNS) - 3)]

    lever = next(lever for lever in LEVERS if lever.weights == "fast")
    kept = Kept(tmp_path / "fast_hard.json", {})
    kept.rows[repr(lever.setting)] = [run(0, 0, 1), run(0, 1, 0), run(1, 0, 1), run(2, 0, 1)]
    kept.rows[repr(lever.plain)] = [run(0, 0, 0), run(0, 1, 0), run(1, 0, 1), run(3, 0, 1)]
    kept.save()
    ((found, runs, plain),) = lever_page.measured(tmp_path)
    assert found == lever and runs[:, :2].tolist() == plain[:, :2].tolist()
    cells = lever_page.row(lever, runs, plain)
    assert cells[4:8] == ("2", "0.750 ± 0.250", "0.500 ± 0.500", "+0.250 ± 0.250")
    assert len(cells) == len(lever_page.HEADS)
