"""Every search method, kernel and look through the HTTP API of a running ComfyUI."""

import pytest
from pack.samplers.search import SEARCHES
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import SIZE, particles, plain, search, with_input

from .helpers.methods import METHODS, SMALL


def by(method, **inputs):
    """A search by one method, its cost counted anew under a name of its own."""
    graph = search(name=f"{method} {sorted(inputs.items())}")
    return particles(graph, method, **METHODS[method] | {"budget": 30} | inputs)


def test_the_settings_are_those_of_methods():
    assert set(SMALL) <= set(SEARCHES) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_pays(host, method):
    shown = host.probe(by(method))
    report = shown["report"]
    assert report["method"] == method == report["settings"]["method"]
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= 30
    assert report["stopped"] == "budget"
    finished = [row["reward"] for row in report["trace"] if row["kind"] == "finish"]
    best = report["best"]  # a clean image stays as it was scored where its finish is worth less
    assert best["reward"] == max(finished) or best["finish_reward"] < best["reward"]
    assert report["spent"]["rewards"] == len(report["trace"])
    spent = [row["nfe"] for row in report["trace"]]
    assert spent == sorted(spent) and spent[-1] == report["spent"]["nfe"]
    assert shown["images"] == [1, SIZE, SIZE, 3]


@pytest.mark.parametrize("method", METHODS)
def test_lookahead_is_charged_and_stands_for_the_finish(host, method):
    shown = host.probe(by(method, lookahead=1, budget=40))
    report = shown["report"]
    assert report["settings"]["lookahead"] == 1
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= 40
    assert not any(row["kind"] == "finish" for row in report["trace"])
    assert report["best"]["reward"] == max(row["reward"] for row in report["trace"])


def renamed(graph, name):
    """The graph with a count of its own."""
    return with_input(with_input(graph, "count", "name", name), "probe", "name", name)


@pytest.mark.parametrize(
    ("method", "checkpoint", "ahead"),
    [("rbf", "fast", 0), *((method, "base", 4) for method in SMALL)],
)
def test_the_automatic_lookahead_follows_the_model(host, method, checkpoint, ahead):
    """In few steps even the last of the VP schedule's times is early."""
    graph = renamed(by(method, lookahead=-1, budget=46), f"{method} {checkpoint}")
    graph["latent"]["inputs"] |= {"width": 128, "height": 128}  # else all is blurred
    shown = host.probe(with_input(graph, "loader", "checkpoint", checkpoint))
    report = shown["report"]
    assert report["settings"]["lookahead"] == -1
    assert report["spent"]["lookahead"] == ahead
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= 46
    assert any(row["kind"] == "finish" for row in report["trace"]) == (not ahead)


@pytest.mark.parametrize(
    ("checkpoint", "budget", "chosen"),
    [
        ("fast", 40, {"method": "svdd", "children": "redraw", "lookahead": 0}),
        ("fast", 70, {"method": "rbf", "children": "redraw", "lookahead": 0}),
        ("base", 50, {"method": "regional_paths", "ode_steps": 2, "lookahead": 0}),
    ],
)
def test_auto_says_what_it_chose(host, checkpoint, budget, chosen):
    graph = by("auto", lookahead=-1, budget=budget, stop_at_maximum=False)
    graph = renamed(graph, f"auto {checkpoint} {budget}")
    graph["latent"]["inputs"] |= {"width": 128, "height": 128}
    shown = host.probe(with_input(graph, "loader", "checkpoint", checkpoint))
    report, look = shown["report"], {"fast": "sharp", "base": "blurred"}[checkpoint]
    assert report["method"] == "auto" == report["settings"]["method"]
    assert report["chosen"].items() >= chosen.items()
    why = f"The first prediction is {look}, and the budget buys {budget // 4} evaluations a step. "
    assert report["chosen"]["why"].startswith(f"{why}So the method is {chosen['method']}")
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= budget
    steps = {row["step"] for row in report["trace"] if row["kind"] != "finish"}
    assert steps == ({3} if "ode_steps" in chosen else {0, 1, 2, 3})
    assert all(row["t"] == report["sigmas"][row["step"]] for row in report["trace"])


def test_auto_is_the_first_choice_of_the_node(host):
    info = host.client.get("/object_info/FlowSearchParticles")["FlowSearchParticles"]
    (_, method) = info["input"]["required"]["method"]
    assert method["options"][0]["key"] == "auto"


def test_automatic_starts_are_reported(host):
    graph = renamed(search(init_particles=0, budget=30), "automatic starts")
    report = host.probe(graph)["report"]
    assert report["settings"]["init_particles"] == 0
    chosen = {"init_particles": 7, "children": "redraw"}
    settled = "it begins with 7 particles and children differ in one region"
    why = f"The lookahead is set to 0. So {settled}."
    assert report["chosen"] == chosen | {"why": why}
    born = [row for row in report["trace"] if row["kind"] == "born"]
    assert len(born) == 7


def test_a_budget_too_small_for_the_look_goes_without(host):
    shown = host.probe(by("rbf", lookahead=-1, budget=24))
    other = host.probe(renamed(by("rbf", budget=24), "told 0"))
    assert shown["report"]["spent"]["lookahead"] == 0
    assert shown["latent"] == other["latent"]


def test_weights_are_kept_in_the_trace(host):
    rows = host.probe(by("smc"))["report"]["trace"]
    assert all("log_w" in row for row in rows if row["kind"] != "finish")
    assert len({row["log_w"] for row in rows if row["kind"] == "born"}) > 1
    assert any(row["accepted"] for row in rows if row["kind"] == "born")  # survivors


def test_a_window_branches_only_inside(host):
    graph = by("rbf", window_start=0.97, window_end=0.9, budget=30)
    shown = host.probe(graph)
    report = shown["report"]
    inside = [t for t in report["sigmas"] if 0.9 <= t <= 0.97]
    assert 0 < len(inside) < len(report["sigmas"]) - 1
    searched = [row for row in report["trace"] if row["kind"] != "finish"]
    assert {row["t"] for row in searched} <= set(inside)
    assert all(row["t"] == report["sigmas"][row["step"]] for row in report["trace"])
    born = [row for row in searched if row["kind"] == "born"]
    before = sum(t > 0.97 for t in report["sigmas"])
    assert born[2]["nfe"] == 3 * (before + 1)  # with one time inside more starts follow
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= 30


def test_an_empty_window_is_refused_before_compute(host):
    with pytest.raises(ComfyError, match="window holds no sigma: got 0.31 down to 0.3, exp"):
        host.run(by("rbf", window_start=0.31, window_end=0.3))


def glass(graph, steps=2):
    graph = with_input(graph, "sampler", "kernel", "glass")
    return with_input(graph, "sampler", "glass_steps", steps)


def test_glass_transitions_are_charged(host):
    shown = host.probe(glass(by("svdd", budget=40, **{"method.children": "kernel"}), 3))
    report = shown["report"]
    assert report["settings"]["glass_steps"] == 3
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= 40
    proposed = [row["nfe"] for row in report["trace"] if row["kind"] == "propose"]
    assert all(b - a == 3 for a, b in zip(proposed, proposed[1:], strict=False))


def test_glass_works_alone(host):
    values = host.probe(glass(plain(search())))["latent"]
    assert max(map(abs, values)) < 30 and len(set(values)) > 100


def test_a_threshold_that_is_reached_leaves_the_rest(host):
    report = host.probe(by("threshold", **{"method.threshold": -1e6}, budget=30))["report"]
    assert report["stopped"] == "done"
    assert report["spent"]["nfe"] == 4 + 1  # one candidate a step, and the finish


def test_a_budget_that_is_too_small_names_what_it_lacks(host):
    with pytest.raises(ComfyError, match="got 5 NFE, expected at least .*lookahead of 2"):
        host.run(by("best_of_n", budget=5, lookahead=2))
    host.probe(search())  # the server goes on


@pytest.mark.parametrize(
    "method, setting, message",
    [
        ("sop", {"method.forward": 3, "method.backward": 2}, "more than forward"),
        ("smc", {"method.resampling": "dice"}, "dice"),
    ],
)
def test_bad_settings_are_one_sentence(host, method, setting, message):
    with pytest.raises(ComfyError, match=message):
        host.run(by(method, **setting))
