"""The watchdog: told for accepted and returned candidates, without any effect on the search."""

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import CAPTION, node, particles, search, with_input

from .helpers.reward_graphs import combine, loader, scoring

SVDD = {"method.paths": 1}
SMC = {"method.temperature": 0.5, "method.ess_threshold": 1.0}
RBF = {"method.init_particles": 3, "method.speculation": 2}


def watched(graph, watchdog=None):
    """The search with a watchdog, the reward itself unless another node is given."""
    graph = graph | {"watchdog": watchdog} if watchdog else graph
    return with_input(graph, "search", "watchdog", ["watchdog" if watchdog else "reward", 0])


def by(method, own, **inputs):
    return particles(search(name=f"{method} {inputs}"), method, **own | {"budget": 30} | inputs)


def troubled(kind, **where):
    """The reward itself as a watchdog that fails."""
    return node("ProbeTroubledReward", reward=["reward", 0], kind=kind, name="watchdog", **where)


def without(report):
    """A report as if there had been no watchdog, and less what the clock decides.

    With a watchdog more images are remembered, so fewer are decoded again to see their mistakes.
    """
    apart = ("seconds", "decodes", "frames")

    def strip(entry):
        return {k: v for k, v in entry.items() if k != "watchdog"}

    kept = {k: v for k, v in report.items() if k != "settings"}
    kept["spent"] = {k: v for k, v in strip(report["spent"]).items() if k not in apart}
    kept["best"] = strip(report["best"])
    return kept | {k: [strip(row) for row in report[k]] for k in ("trace", "top")}


def scores(report):
    return {row["id"]: row["watchdog"] for row in report["trace"] if row["watchdog"] is not None}


CASES = {
    "rbf": lambda: by("rbf", RBF),
    "rbf, two paths": lambda: by("rbf", RBF | {"method.paths": 2}, budget=40),
    "smc": lambda: by("smc", SMC, budget=64),
    "no finish": lambda: by("best_of_n", {}, finish_steps=0, top_k=3),
    "lookahead": lambda: by("svdd", SVDD, lookahead=1, budget=40),
    "a look first": lambda: by("svdd", SVDD, lookahead=-1, budget=64),
}


@pytest.fixture(scope="module")
def runs(host):
    """Both runs of a case, once."""
    done = {}

    def run(case):
        if case not in done:
            done[case] = [host.probe(make) for make in (CASES[case](), watched(CASES[case]()))]
        return done[case]

    return run


@pytest.mark.parametrize("case", CASES)
def test_the_search_is_the_same_bit_for_bit(runs, case):
    alone, together = runs(case)
    assert together["latent"] == alone["latent"]
    assert without(together["report"]) == without(alone["report"])
    assert all("watchdog" not in row for row in alone["report"]["trace"])
    assert "watchdog" not in alone["report"]["spent"] and "watchdog" not in alone["report"]["best"]
    assert alone["report"]["settings"]["watchdog"] is False


@pytest.mark.parametrize("case", CASES)
def test_accepted_and_returned_are_told_and_no_other(runs, case):
    """The watchdog is the reward here: where it tells something, it is what the reward was."""
    report = runs(case)[1]["report"]
    returned = {row["id"] for row in report["top"]}
    for row in report["trace"]:
        if row["accepted"] or row["kind"] == "finish" or row["id"] in returned:
            assert row["watchdog"] == pytest.approx(row["reward"], abs=1e-3)
        else:
            assert row["watchdog"] is None
    assert 0 < len(scores(report)) < len(report["trace"])
    for row in [report["best"], *report["top"]]:
        assert row["watchdog"] == scores(report)[row["id"]]


@pytest.mark.parametrize("case", CASES)
def test_what_it_costs_is_told_apart(runs, case):
    """All pictures are at hand, but for survivors among more than 8 particles, and where another
    path moved in between."""
    report = runs(case)[1]["report"]
    spent = report["spent"]["watchdog"]
    assert set(spent) == {"decodes", "rewards", "seconds"}
    assert spent["rewards"] == len(scores(report))
    assert set(spent["seconds"]) == {"decode", "reward"} and spent["seconds"]["reward"] > 0.0
    if case == "smc":
        assert len([row for row in report["trace"] if row["kind"] == "born"]) > 8
        assert 0 < spent["decodes"] < spent["rewards"] and spent["seconds"]["decode"] > 0.0
    elif case == "rbf, two paths":
        assert spent["decodes"] < spent["rewards"] / 3
    else:
        assert spent["decodes"] == 0 == spent["seconds"]["decode"]


def test_it_shows_what_the_reward_does_not(host):
    """Another reward than the search's: its scores are those that Score Images gives."""
    graph = search(top_k=2, budget=24)
    graph["pictures"] = node("RebatchImages", images=["search", 1], batch_size=8)
    graph = watched(graph, loader("sharpness"))
    report = host.probe(graph)["report"]
    told = [row["watchdog"] for row in report["top"]]
    assert told == pytest.approx([scores(report)[row["id"]] for row in report["top"]])
    shown = host.probe(scoring(graph, "pictures", "watchdog", CAPTION))["scores"]["scores"]
    assert sorted(shown) == pytest.approx(sorted(told), rel=1e-4) and told[0] != told[1]
    assert report["settings"]["watchdog"] is True
    assert report["settings"]["watchdog.reward"] == "sharpness"
    assert report["settings"]["reward"] == "colour_count"


def test_the_full_decoder_shows_it_what_is_returned(host):
    graph = search(finish_steps=0)
    graph["other"] = node("FlowSearchDemoLoader", checkpoint="base")
    graph = watched(with_input(graph, "search", "preview_vae", ["other", 2]))
    report = host.probe(graph)["report"]
    last = report["trace"][-1]
    assert last["kind"] == "finish" and last["watchdog"] == pytest.approx(last["reward"], abs=1e-4)
    assert report["spent"]["watchdog"]["decodes"] == 0


def test_each_search_of_a_batch_begins_anew(host):
    """A combination learns its scale from the pictures that it sees as a watchdog."""
    graph = with_input(search(), "latent", "batch_size", 2)
    graph["sharp"] = loader("sharpness")
    graph = watched(graph, combine("weighted_sum", "reward", "sharp"))
    first, second = host.probe(graph)["report"]["batch"]
    assert next(iter(scores(first).values())) == next(iter(scores(second).values())) == 0.0
    assert len(set(scores(first).values())) > 1
    assert first["settings"]["watchdog.reward_2.reward"] == "sharpness"


def test_a_score_that_is_no_number_is_null_and_no_more(runs, host):
    graph = watched(CASES["rbf"](), troubled("nan", first=1, count=1))
    shown = host.probe(graph)
    alone, together = runs("rbf")
    assert shown["latent"] == alone["latent"]
    assert without(shown["report"]) == without(alone["report"])
    lost = set(scores(together["report"])) - set(scores(shown["report"]))
    assert len(lost) == 1 and not set(scores(shown["report"])) - set(scores(together["report"]))
    assert (
        shown["report"]["spent"]["watchdog"]["rewards"]
        == together["report"]["spent"]["watchdog"]["rewards"]
    )


def test_a_failed_candidate_is_not_scored(host):
    """SVDD has to go on with a candidate that has no reward: 6 of each step, the second's fail."""
    graph = by("svdd", SVDD)
    graph["failing"] = node(
        "ProbeTroubledReward", reward=["reward", 0], kind="nan", first=8, count=7, name="failing"
    )
    report = host.probe(watched(with_input(graph, "search", "reward", ["failing", 0])))["report"]
    failed = [row for row in report["trace"] if row["accepted"] and row["reward"] is None]
    assert failed and all(row["watchdog"] is None for row in failed)
    assert report["spent"]["watchdog"]["rewards"] == len(scores(report)) > 1


def test_a_candidate_that_failed_in_the_network_shifts_no_picture(host):
    """The first of a round has no picture; those of the others are still their own."""
    graph = by("svdd", SVDD)
    graph["spoiled"] = node(
        "ProbeTroubledNetwork", model=["loader", 0], call_number=0, name="watched"
    )
    report = host.probe(watched(with_input(graph, "guider", "model", ["spoiled", 0])))["report"]
    assert report["trace"][0]["failed"] == "network"
    assert len(scores(report)) > 1 and report["spent"]["watchdog"]["decodes"] == 0
    for row in report["trace"]:
        assert row["watchdog"] in (None, pytest.approx(row["reward"], abs=1e-3))


def test_an_exception_ends_the_search_as_that_of_any_reward(host):
    with pytest.raises(ComfyError) as caught:
        host.run(watched(search(name="raising"), troubled("raise", first=1, count=1)))
    sentence, where = str(caught.value).split("\n")
    assert sentence == "the reward broke" and where.startswith("Flow Search saved the best image")


def test_the_time_limit_reckons_what_it_takes_at_the_finish(host):
    """A second for each of 64 pictures in the end is foreseen from the first that it scores."""
    graph = by("svdd", SVDD, time_limit=50.0, top_k=64, finish_steps=0)
    report = host.probe(watched(graph, troubled("sleepy", first=0, count=0)))["report"]
    assert report["stopped"] == "time"
    assert len([row for row in report["trace"] if row["accepted"]]) == 1
    assert 1 < len(report["top"]) < 30


def test_it_is_asked_about_the_prompt_before_compute(host):
    graph = search(name="asked", prompt="a nice landscape")
    graph["count it"] = graph["reward"]
    graph["reward"] = loader("brightness")
    with pytest.raises(ComfyError, match="a nice landscape"):
        host.run(with_input(graph, "search", "watchdog", ["count it", 0]))
    graph["probe"] = node("ProbeReport", latent=["latent", 0], name="asked")
    assert host.probe(graph)["counts"] == {"rows": 0, "calls": 0}
