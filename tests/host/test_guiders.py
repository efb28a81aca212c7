"""Field 4, 5, 6: guiders and wrappers of other packs, known by what they answer.

Those that remember are refused before the budget is spent, those that do not are searched with, and
what it took to see that is counted. The host's own are not asked.
"""

import json

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, search, with_input
from pack.tools.probing.runs import Runs, assert_counted
from pack.tools.probing.wiring import IMAGE, STEPS, cfg, dual_cfg, zeroed

BUDGET = 60
CHECK = 2 * 8  # NFE of the whole check, with cfg
MOST = 8 + 5  # rows until a refusal, with those that tell memory from a schedule
REMEMBERS = "remembers earlier calls"
ANSWERED = "got an answer of shape"
AT_WORK = ("a drifting wrapper", "a wrapper of the blocks")  # their first answer is as it should be
TIED = "works only at the sigmas of the schedule"
FORGETS = {
    "APG": REMEMBERS,
    "APG that begins anew": REMEMBERS,
    "APG after the cfg": REMEMBERS,
    "APG whose average counts nothing": ANSWERED,
    "a drifting wrapper": REMEMBERS,
    "a wrapper of the blocks": REMEMBERS,
    "a wrapper of the guidance": REMEMBERS,
    "the mean of a call": "mixes particles",
    "attention across rows": "mixes particles",
}
GUIDERS = {
    "BySigma": TIED,
    "PerpNegBySigma": TIED,
    "ByExactSigma": TIED,
    "ByIndex": TIED,
    "ByCount": REMEMBERS,
    "ByCountFromTheFirst": REMEMBERS,
    "Adaptive": REMEMBERS,
    "Fresh": REMEMBERS,
    "ByFirstAnswer": "got an answer without a network evaluation, expected none",
}


def on_model(kind, **inputs):
    graph = search(cfg=2.0, budget=BUDGET, **inputs)
    graph["on"] = node("ProbeOnModel", model=["loader", 0], kind=kind)
    return with_input(graph, "count", "model", ["on", 0])


def guided(kind, values="", **inputs):
    graph = search(cfg=2.0, budget=BUDGET, **inputs)
    graph["guider"] = node(
        "ProbeGuide",
        model=["count", 0], positive=["text", 0], negative=["empty", 0], sigmas=["sigmas", 0],
        kind=kind, cfg=values,
    )  # fmt: skip
    return graph


def refused(host, graph, sentence, at_work=False):
    """In one sentence, and before more is spent than the check and what found it out."""
    with pytest.raises(ComfyError) as caught:
        host.run(graph)
    text, name = str(caught.value), graph["count"]["inputs"]["name"]
    first, *saved = text.split("\n")
    assert sentence in first and "expected" in first and "Traceback" not in text
    assert not saved or at_work and "saved the best image so far" in saved[0]
    graph["probe"] = node("ProbeReport", latent=["latent", 0], name=name)
    cost = 3 if "PerpNeg" in name else 2
    assert host.probe(graph)["counts"]["rows"] <= cost * MOST


def counted(shown, checked=True):
    spent = shown["report"]["spent"]
    assert spent["nfe"] == shown["counts"]["rows"] <= shown["report"]["budget"]["nfe"]
    assert spent["network_calls"] == shown["counts"]["calls"]
    assert (spent.get("check_nfe", 0) > 0) == checked
    assert shown["report"]["trace"][-1]["nfe"] == spent["nfe"]
    return spent


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("kind", FORGETS)
def test_what_remembers_on_a_model_is_refused_field_6(host, kind, rows):
    graph = on_model(kind, micro_batch=rows, name=f"{kind} {rows}")
    if rows and "mixes" in FORGETS[kind]:
        counted(host.probe(graph))  # one by one there is nothing to mix
    else:
        refused(host, graph, FORGETS[kind], kind in AT_WORK)


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("kind", GUIDERS)
def test_a_guider_that_remembers_is_refused_field_5_6(host, kind, rows):
    refused(host, guided(kind, micro_batch=rows, name=f"{kind} {rows}"), GUIDERS[kind])


@pytest.mark.parametrize("budget", [20, 24, 30])
@pytest.mark.parametrize("kind", ["APG", "APG that begins anew"])
def test_what_remembers_is_found_on_a_small_budget(host, kind, budget):
    graph = with_input(on_model(kind, name=f"{kind} of {budget}"), "search", "budget", budget)
    refused(host, graph, REMEMBERS)


@pytest.mark.parametrize("kind", ["BySigma", "PerpNegBySigma", "ByExactSigma", "ByIndex"])
def test_on_its_own_sigmas_a_scheduled_guider_is_searched_with_field_5(host, kind):
    graph = guided(kind, finish_steps=0, lookahead=0, name=f"{kind} given")
    spent = counted(host.probe(graph))
    assert spent["nfe"] > BUDGET - 4


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("kind", ["BySigma", "ByExactSigma"])
def test_few_sigmas_are_no_way_around_it_field_5(host, kind, steps):
    graph = guided(kind, steps=steps, finish_steps=2, name=f"{kind} of {steps}")
    refused(host, graph, TIED)


PASSED = {
    "a function that keeps nothing": on_model,
    "APG without an average": on_model,
    "a scaling wrapper": on_model,
    "a wrapper that asks otherwise": on_model,
    "WithoutCfg": guided,
}


@pytest.mark.parametrize("kind", PASSED)
def test_what_keeps_nothing_is_searched_with_field_6(host, kind):
    """The check is counted and told; the candidates are those that go one by one, to rounding."""
    several, single = (
        host.probe(PASSED[kind](kind, micro_batch=rows, name=f"{kind} {rows}")) for rows in (0, 1)
    )
    assert counted(several)["check_nfe"] <= CHECK
    counted(single)
    born = [[row["reward"] for row in each["report"]["trace"][:3]] for each in (several, single)]
    assert born[0] == pytest.approx(born[1], abs=1e-3)


@pytest.mark.parametrize("values", ["4,3,2,1", "1,1,1,1", "4", "0.5"])
def test_a_cfg_of_several_numbers_is_reckoned_by_what_is_seen_field_4(host, values):
    counted(host.probe(guided("ByList", values, name=f"list {values}")))


def test_a_cfg_for_a_part_of_the_steps_keeps_to_the_budget_field_4(host):
    counted(host.probe(guided("ByHalf", "4", name="half")))


def test_a_list_of_the_wrong_length_says_so_field_4(host):
    with pytest.raises(ComfyError, match="as many cfgs as steps"):
        host.run(guided("ByList", "4,3", name="short list"))


def test_a_dearer_guider_than_foreseen_keeps_to_the_budget_field_4(host):
    """Another of the host's: one more prediction for each particle, seen as it runs."""
    graph = search(cfg=2.0, budget=31, finish_steps=2, name="dearer")
    graph["layers"] = node(
        "SkipLayerGuidanceDiT", model=["loader", 0], double_layers="0", single_layers="", scale=2.0,
        start_percent=0.0, end_percent=1.0, rescaling_scale=0.0,
    )  # fmt: skip
    shown = host.probe(with_input(graph, "count", "model", ["layers", 0]))
    assert counted(shown, checked=False)["nfe"] > 31 - 3


def test_a_budget_without_room_for_the_check_says_so(host):
    with pytest.raises(ComfyError, match="Checking whether the guider remembers calls takes 6"):
        host.run(with_input(on_model("APG", name="no room"), "search", "budget", 19))


def basic(runs):
    pass


def perp_neg(runs):
    negative = zeroed(runs)
    runs.guide = lambda model: runs.node(
        "PerpNegGuider",
        model=model, positive=runs.text, negative=negative, empty_conditioning=negative, cfg=2.0,
        neg_scale=1.0,
    )  # fmt: skip


def renamed(runs):
    negative = zeroed(runs)
    runs.guide = lambda model: runs.node(
        "ProbeGuide",
        model=model, positive=runs.text, negative=negative, sigmas=runs.sigmas, kind="Renamed",
        cfg="2.0",
    )  # fmt: skip


OWN = {
    "BasicGuider": (basic, 1),
    "CFGGuider": (cfg, 2),
    "DualCFGGuider": (dual_cfg, 3),
    "PerpNegGuider": (perp_neg, 3),
    "the host's by another name": (renamed, 2),
}


@pytest.mark.parametrize("name", OWN)
def test_the_hosts_guiders_are_not_asked_field_6(host, name):
    runs, (wire, cost) = Runs(IMAGE), OWN[name]
    wire(runs)
    runs.run("one", budget=cost * STEPS)
    shown = runs.show(host)["one"]
    assert_counted(shown, cost * STEPS)
    assert "check_nfe" not in shown["report"]["spent"]


@pytest.mark.parametrize("what", ["PerpNegGuider", "Mahiro", "SkipLayerGuidanceDiT"])
def test_means_over_a_call_by_the_host_mix_nothing_field_6(host, what):
    """Beside others a particle is guided as alone: such guidance goes one by one."""
    shown = []
    for rows in (0, 1):
        runs = Runs(IMAGE)
        perp_neg(runs) if what == "PerpNegGuider" else cfg(runs)
        if what == "Mahiro":
            runs.model = runs.node("Mahiro", model=runs.model)
        if what.startswith("Skip"):
            runs.model = runs.node(
                what, model=runs.model, double_layers="0", single_layers="", scale=2.0,
                start_percent=0.0, end_percent=1.0, rescaling_scale=0.7,
            )  # fmt: skip
        runs.run("three", budget=30, init_particles=3, micro_batch=rows, reward=runs.bright)
        shown.append(runs.show(host)["three"]["report"])
    assert shown[0]["trace"] == shown[1]["trace"]
    assert "check_nfe" not in shown[0]["spent"]
    assert shown[0]["spent"]["micro_batch"] == 1


def test_a_replay_is_not_asked(host):
    first = host.probe(on_model("a function that keeps nothing", name="to replay"))["report"]
    graph = on_model("a function that keeps nothing", name="replayed")
    again = host.probe(with_input(graph, "search", "replay", json.dumps(first)))
    counted(again, checked=False)
    assert again["report"]["best"]["reward"] == first["best"]["reward"]
