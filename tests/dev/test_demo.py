"""`python dev.py demo`: its runs, what it prints, and its contact sheet."""

import itertools
import json
import signal
import sys
import threading

import numpy as np
import pytest
from pack.benchmarks import plans, prompt_sets
from pack.benchmarks.best_of_n_curve import Draws
from pack.benchmarks.multiplier_runs import COLUMNS
from pack.benchmarks.multiplier_tables import Cell
from pack.tools import demo_results, demo_runs, demonstration
from pack.tools.contact_sheet import BORDER, CELL, GAP, LEFT, MARKS, SIDE, TOP, Column
from pack.tools.contact_sheet import contact_sheet as sheet_of
from pack.tools.demo_runs import AUTO, BEST, BUDGET, METHODS, PLAIN, PROMPTS, RBF
from pack.tools.saved_workflow import ComfyError
from PIL import Image

from .test_setup import running, script, wait_for

SEARCH = {
    "noise": ["1", 0], "guider": ["2", 0], "sampler": ["3", 0], "sigmas": ["4", 0],
    "budget": 100, "init_particles": 7, "paths": 1, "finish_steps": 2, "top_k": 3,
    "prompt": "two cats",
}  # fmt: skip
PROMPT = {
    "2": {"class_type": "BasicGuider", "inputs": {"model": ["9", 0], "conditioning": ["8", 0]}},
    "5": {"class_type": "FlowSearchRBF", "inputs": SEARCH},
}


def test_the_prompts_are_the_first_of_their_pool():
    pool = prompt_sets.pool(prompt_sets.FORMS["hard"], demo_runs.POOL_SEED)
    assert tuple(itertools.islice(pool, len(PROMPTS))) == PROMPTS


def test_the_runs_differ_only_where_they_should():
    runs = demo_runs.variants(PROMPT)
    assert tuple(runs) == METHODS
    assert runs[RBF] is PROMPT and SEARCH["init_particles"] == 7
    wanted = {
        PLAIN: ("best_of_n", plans.PLAIN_STEPS["fast"], plans.PLAIN_STEPS["fast"]),
        BEST: ("best_of_n", 100, 2),
    }
    auto = runs[AUTO]["5"]
    changed = {"method": "auto", "finish_steps": 2, "top_k": 1}
    same = {k: v for k, v in SEARCH.items() if k not in ("init_particles", "paths")}
    assert auto == {"class_type": "FlowSearchParticles", "inputs": same | changed}
    for name, (method, budget, steps) in wanted.items():
        graph = runs[name]
        search = graph["5"]["inputs"]
        assert graph["5"]["class_type"] == "FlowSearchParticles"
        assert (search["method"], search["budget"], search["finish_steps"]) == (method, budget, 0)
        assert search["noise"] == ["1", 0] and search["prompt"] == "two cats"
        assert not {"init_particles", "paths"} & set(search)
        setting = plans.ode(method, steps, budget)
        sampler = graph[search["sampler"][0]]["inputs"]
        assert sampler["diffusion_norm"] == setting.norm == 0.0
        assert (sampler["interpolant"], sampler["kernel"]) == (setting.path, setting.kernel)
        sigmas = graph[search["sigmas"][0]]["inputs"]
        assert sigmas["model"] == ["9", 0] and sigmas["steps"] == setting.steps


def test_a_workflow_gets_another_prompt_and_seed():
    workflow = json.loads(demonstration.WORKFLOW.read_text("utf-8"))
    kinds = {node["type"]: node for node in workflow["nodes"]}
    assert kinds["PrimitiveStringMultiline"]["widgets_values"] == [PROMPTS[0]]
    changed = demo_runs.with_prompt(workflow, "two cats", 9)
    values = {node["type"]: node.get("widgets_values") for node in changed["nodes"]}
    assert values["PrimitiveStringMultiline"] == ["two cats"]
    assert values["RandomNoise"] == [9, "fixed"]
    kept = {t: v for t, v in values.items() if t not in ("PrimitiveStringMultiline", "RandomNoise")}
    assert kept == {t: kinds[t].get("widgets_values") for t in kept}


class Comfy:
    """A client whose server finishes every prompt at once."""

    def __init__(self, report=True):
        self.report, self.runs = report, []

    def get(self, path):
        return {}

    def run(self, prompt, progress, workflow):
        progress(1, 2)
        self.runs.append((prompt, workflow))
        image = {"filename": "a.png", "type": "output"}
        shown = {"flow_search_report": ['{"spent": {"nfe": 7}}']} if self.report else {}
        return {"5": shown, "6": {"images": [{"type": "temp"}, image]}}

    def image(self, entry):
        return entry["filename"].encode()


@pytest.fixture
def api(monkeypatch):
    """The prompt of a workflow is that of this test."""
    monkeypatch.setattr(demonstration, "to_api", lambda workflow, nodes: PROMPT)
    return {"nodes": []}


def test_every_method_runs_on_every_prompt(api, tmp_path, capsys):
    comfy = Comfy()
    demonstration.run_all(comfy, api, tmp_path)
    for number, method in itertools.product(range(1, 9), METHODS):
        file = demo_runs.image_file(tmp_path, number, method)
        assert file.read_bytes() == b"a.png"
        assert json.loads(file.with_suffix(".json").read_text())["spent"] == {"nfe": 7}
    assert len(comfy.runs) == len(list(tmp_path.glob("*.png"))) == 8 * len(METHODS)
    carried = [prompt for prompt, workflow in comfy.runs if workflow is not None]
    assert carried == [PROMPT] * 8  # the images of RBF carry the workflow
    said = capsys.readouterr().out.splitlines()
    assert said[1].endswith(f"1/8 {PROMPTS[0]}") and said[-1].endswith("s in all.")


def test_progress_is_shown_on_a_terminal(api, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    demonstration.run_all(Comfy(), api, tmp_path)
    assert "RBF        [###############               ] 1/2 NFE" in capsys.readouterr().out


def test_a_search_without_a_report_is_one_sentence(api, tmp_path):
    with pytest.raises(ComfyError, match="gave no report or no image for plain"):
        demonstration.run_all(Comfy(report=False), api, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_stops_the_server(fake_comfyui, tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(fake_comfyui))
    monkeypatch.setenv("COMFYUI_PYTHON", sys.executable)
    monkeypatch.setenv("FLOW_SEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    demo = script(
        tmp_path,
        "dev.demonstration.run_all = lambda *_: (print('runs', flush=True), time.sleep(60))\n"
        "sys.exit(dev.main(['demo']))\n",
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(demo.stdout.readline, "")))
    reader.start()
    wait_for(lambda: "runs\n" in lines, 60)
    (file,) = tmp_path.glob("flow-search-*/pid")
    pid = int(file.read_text())
    assert running(pid)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(20) == 130
    reader.join()
    assert lines[-1] == "Stopped.\n" and not running(pid)
    assert not list(tmp_path.glob("flow-search-*"))


def marks(**totals):
    names = {"plain": PLAIN, "best": BEST, "rbf": RBF, "auto": AUTO}
    return {names[n]: [i < total for i in range(8)] for n, total in totals.items()}


def test_it_says_who_won():
    verdict = demo_results.verdict
    assert verdict(marks(plain=0, best=3, rbf=6, auto=5)) == "RBF wins with 6 of 8 right."
    assert verdict(marks(plain=0, best=3, rbf=5, auto=7)) == (
        f"{AUTO} wins with 7 of 8 right. RBF does not win: it has 5."
    )
    assert verdict(marks(best=5, rbf=5, auto=1)) == "best of N and RBF tie with 5 of 8 right."
    lost = "RBF does not win: it has 4."
    assert verdict(marks(best=5, rbf=4, auto=5)).endswith(f"{AUTO} tie with 5 of 8 right. {lost}")


def test_the_table_has_a_line_for_each_prompt_and_the_totals():
    spent = {PLAIN: 4.0, BEST: 84.4, RBF: 100.0, AUTO: 51.0}
    lines = demo_results.table(marks(plain=0, best=1, rbf=8, auto=2), spent).splitlines()
    assert lines[0].split() == [*"plain best of N RBF".split(), AUTO]
    assert lines[1].split()[:4] == ["wrong", "right", "right", "right"]
    assert lines[2].split()[:4] == ["wrong", "wrong", "right", "right"]
    assert [line[46:] for line in lines[1:9]] == list(PROMPTS)
    assert lines[9].split() == ["0", "1", "8", "2", "right", "of", "8"]
    assert lines[10].split()[:4] == ["4", "84", "100", "51"]


def cell(method, budget):
    """Two prompts: one of 200 samples of a step is right, and half of the runs are."""
    draws = Draws()
    draws.add([-0.1] + [-1.1] * 199, [True] + [False] * 199, 1.0)
    rows = [{"prompt": prompt, "seed": seed, "right": seed} for prompt in (0, 1) for seed in (0, 1)]
    runs = [[float(row.get(name, 0)) for name in COLUMNS] for row in rows]
    return Cell(budget, method, np.array(runs), {1: [draws, draws]})


def test_multipliers_come_with_their_commands_and_missing_ones_are_not_invented():
    text = demo_results.multipliers([cell(RBF, BUDGET), cell(AUTO, BUDGET // 2)])
    rows = text.splitlines()
    assert rows[2] == "  RBF        1.0 (1.0 to 1.0), from 2 prompts"
    assert rows[3] == f"  {AUTO:<11}not measured yet"
    assert f"  python benchmarks/multiplier.py searches --budgets {BUDGET} --weights fast" in text
    assert demo_results.multipliers([]).count("not measured yet") == 2


def test_images_are_judged_by_the_reader(monkeypatch, tmp_path):
    for number, method in itertools.product(range(1, 9), METHODS):
        file = demo_runs.image_file(tmp_path, number, method)
        Image.new("RGB", (128, 128), "white").save(file)
        file.with_suffix(".json").write_text(json.dumps({"spent": {"nfe": 10 * number}}))
    seen = []
    monkeypatch.setattr(demo_results, "is_right", lambda *pair: seen.append(pair) or True)
    column = demo_results.column(tmp_path, BEST)
    assert column.note == "8 of 8 right, 45 NFE" and len(column.images) == 8
    assert [prompt for _, prompt in seen] == list(PROMPTS)
    assert seen[0][0].shape == (128, 128, 3) and float(seen[0][0].max()) == 1.0


def test_the_contact_sheet_has_a_row_for_each_prompt_and_marks_each_image():
    blue = Image.new("RGB", (128, 128), "#0000ff")
    columns = [Column("a", "1 of 2 right", [blue] * 2, [True, False]),
               Column("b", "0 of 2 right", [blue] * 2, [False, False])]  # fmt: skip
    sheet = sheet_of(["three blue squares"] * 2, columns)
    assert sheet.width == LEFT + 2 * (CELL + GAP) + GAP
    high = (sheet.height - TOP) // 2
    for x, y, right in ((0, 0, True), (0, 1, False), (1, 0, False), (1, 1, False)):
        corner = (LEFT + x * (CELL + GAP), TOP + y * high)
        rgb = tuple(bytes.fromhex(MARKS[right][1][1:]))
        assert sheet.getpixel((corner[0] + 1, corner[1] + 1)) == rgb
        middle = BORDER + SIDE // 2
        assert sheet.getpixel((corner[0] + middle, corner[1] + middle)) == (0, 0, 255)
