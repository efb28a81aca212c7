"""Methods of whole trajectories with samplers of the host and of other packs, through the HTTP API.

tests/host/test_sigmas.py has every sampler of KSamplerSelect.
"""

import json

import pytest
from pack.samplers.search import SEARCHES
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, particles, search, with_input
from pack.tools.probing.runs import Runs, assert_counted
from pack.tools.probing.wiring import CLIP, IMAGE, cfg, masked, picture, some_frames

from .helpers.methods import METHODS

WHOLE = [name for name, cls in SEARCHES.items() if cls.whole_trajectories]
STEPS = 4
OURS = {"interpolant": "linear", "diffusion_norm": 0.0}  # the steps of Euler
OTHER = {  # what the sampler input of a search may come from
    "dpmpp_2m": node("KSamplerSelect", sampler_name="dpmpp_2m"),
    "heun": node("KSamplerSelect", sampler_name="heun"),
    "euler_ancestral": node("KSamplerSelect", sampler_name="euler_ancestral"),
    "dpmpp_2m_sde": node("KSamplerSelect", sampler_name="dpmpp_2m_sde"),
    "another pack's": node("ProbeRestlessSampler"),
}


def by(method, sampler, name, budget=60, **inputs):
    """A search with another sampler; `name` counts it anew."""
    graph = particles(search(name=f"{name} {method}", seed=6), method, budget=budget)
    graph["sampler"] = sampler if isinstance(sampler, dict) else OTHER[sampler]
    graph["reward"] = node("FlowSearchRewardLoader", reward="brightness")  # no two are equal
    graph["search"]["inputs"] |= METHODS[method] | inputs
    return graph


def again(graph, **inputs):
    """The same search, run anew."""
    name = f"{graph['count']['inputs']['name']} {sorted(inputs)}"
    graph = with_input(with_input(graph, "count", "name", name), "probe", "name", name)
    graph["search"]["inputs"] |= inputs
    return graph


def counted(shown):
    report = shown["report"]
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= report["budget"]["nfe"]
    assert report["spent"]["network_calls"] == shown["counts"]["calls"]
    return report


def scores(report):
    return [row["reward"] for row in report["trace"]]


@pytest.mark.parametrize("method", [name for name in WHOLE if name != "auto"])
def test_euler_is_our_sampler_without_noise(host, method):
    """All of the search, where ours too scores the last time alone."""
    euler = node("KSamplerSelect", sampler_name="euler")
    shown = host.probe(by(method, euler, "euler"))
    report = counted(shown)
    ours = by(method, "heun", "as euler")
    ours["sampler"] = search()["sampler"]
    ours["sampler"]["inputs"] |= OURS
    last = report["sigmas"][-2]
    same = host.probe(again(ours, window_start=last + 1e-3, finish_steps=0, lookahead=0))
    assert counted(same)["trace"][0]["t"] == last == report["trace"][0]["t"]
    assert len(report["trace"]) == 60 // STEPS
    for key in ("id", "parent", "kind", "accepted", "nfe"):
        assert [row[key] for row in report["trace"]] == [
            row[key] for row in same["report"]["trace"]
        ]
    assert scores(report) == pytest.approx(scores(same["report"]), abs=1e-4)
    assert shown["latent"] == pytest.approx(same["latent"], abs=1e-4)
    assert (report["settings"]["sampler"], report["settings"]["sampler_options"]) == ("euler", {})
    assert "sampler" not in same["report"]["settings"]


@pytest.mark.parametrize("sampler", OTHER)
@pytest.mark.parametrize("method", WHOLE)
def test_each_call_is_paid_and_the_winner_comes_again(host, method, sampler):
    """Also of a second order, and those that draw noise."""
    graph = by(method, sampler, f"paid {sampler}")
    shown = host.probe(graph)
    report = counted(shown)
    assert report["stopped"] == "budget" and len(scores(report)) >= 3
    assert len(set(scores(report))) == len(scores(report))  # no two particles are the same
    settings, spent = report["settings"], report["spent"]
    assert (settings["finish_steps"], settings["lookahead"], spent["micro_batch"]) == (0, 0, 1)
    assert {row["kind"] for row in report["trace"]} == {"born"}
    price = 2 * STEPS - 1 if sampler == "heun" else STEPS
    assert len(report["trace"]) == 60 // price
    assert settings["sampler"] == OTHER[sampler]["inputs"].get("sampler_name", "Restless")
    replayed = host.probe(again(graph, replay=json.dumps(report)))
    assert replayed["latent"] == shown["latent"]
    assert counted(replayed)["best"]["reward"] == pytest.approx(report["best"]["reward"], rel=1e-6)
    assert replayed["report"]["spent"]["nfe"] < report["spent"]["nfe"] / 2
    assert not replayed["report"].get("warnings")


@pytest.mark.parametrize("sampler", ["dpmpp_2m_sde", "another pack's"])
def test_the_batch_changes_nothing(host, sampler):
    graph = by("zero_order", sampler, f"batch {sampler}")
    whole = host.probe(again(graph, micro_batch=0))
    for size in (1, 3):
        part = host.probe(again(graph, micro_batch=size))
        assert part["latent"] == whole["latent"]
        assert scores(part["report"]) == scores(whole["report"])


def test_each_latent_of_a_batch_has_noise_of_its_own(host):
    graph = by("best_of_n", "euler_ancestral", "two", budget=12)
    report = host.probe(with_input(graph, "latent", "batch_size", 2))["report"]
    first, second = map(scores, report["batch"])
    assert not set(first) & set(second)


def stochastic(**options):
    return node("SamplerEulerAncestral", **{"eta": 1.0, "s_noise": 1.0} | options)


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        (node("KSamplerSelect", sampler_name="heun"), "own sampler: got 'heun', expected 'euler_a"),
        (stochastic(eta=0.5), "own sampler_options: got {'eta': 0.5, "),
        (search()["sampler"], "own sampler: got 'VP-SDE Flow Sampler', expected 'euler_ancestral'"),
    ],
)
def test_a_replay_needs_the_reports_own_sampler(host, sampler, said):
    graph = by("best_of_n", stochastic(), "own", budget=12)
    report = host.probe(graph)["report"]
    graph["sampler"] = sampler
    with pytest.raises(ComfyError) as caught:
        host.run(again(graph, replay=json.dumps(report)))
    assert said in str(caught.value)


def test_a_replay_of_our_sampler_needs_ours(host):
    graph = particles(search(name="of ours", seed=5), "best_of_n", budget=12)
    report = host.probe(graph)["report"]
    graph["sampler"] = OTHER["heun"]
    with pytest.raises(ComfyError, match="got 'heun', expected 'VP-SDE Flow Sampler'"):
        host.run(again(graph, replay=json.dumps(report)))


@pytest.mark.parametrize("method", [name for name in METHODS if name not in WHOLE])
def test_methods_that_branch_need_our_sampler(host, method):
    with pytest.raises(ComfyError) as caught:
        host.run(by(method, "dpmpp_2m", "refused"))
    text = str(caught.value)
    assert f"The method {method} cannot branch with this sampler: got dpmpp_2m, expected" in text
    assert "Only auto, best_of_n, zero_order or regional take any sampler." in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"window_end": 0.97}, "got a window of 1 to 0.97, expected all sigmas down to 0"),
        ({"budget": 3}, "got 3 NFE, expected at least 4"),
        ({"budget": 5}, "The budget ends within the first image: got 5 NFE, expected more"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(host, inputs, said):
    with pytest.raises(ComfyError) as caught:
        host.run(by("best_of_n", "heun", f"bad {inputs}", **inputs))
    assert said in str(caught.value)


def test_sigmas_that_end_above_0_are_refused(host):
    graph = by("best_of_n", "heun", "half")
    graph["half"] = node("SplitSigmas", sigmas=["sigmas", 0], step=2)
    with pytest.raises(ComfyError, match="got sigmas down to 0.9.*, expected all sigmas down to 0"):
        host.run(with_input(graph, "search", "sigmas", ["half", 0]))


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde", "ddim"])
@pytest.mark.parametrize(
    ("key", "wire"),
    [(IMAGE, masked), (IMAGE, picture), (IMAGE, cfg), (CLIP, some_frames)],
    ids=["mask", "picture", "CFG", "video, mask by frame"],
)
def test_the_first_particle_is_the_hosts_own_run(host, key, wire, sampler):
    """Masks, pictures to start from and CFG are as without a search."""
    runs = Runs(key)
    wire(runs)
    runs.sampler = runs.node("KSamplerSelect", sampler_name=sampler)
    plain, rows = runs.run("plain"), 3 * (2 if wire is cfg else 1)
    runs.compare("same", plain, runs.particles("one", "best_of_n", budget=rows))
    many = runs.particles("many", "regional", budget=6 * rows, reward=runs.bright)
    runs.compare("kept", runs.kept(), many)
    shown = runs.show(host)
    assert shown["same"]["differ"] < 1e-4
    assert_counted(shown["one"], rows)
    assert_counted(shown["many"], 6 * rows)


def test_a_guider_that_remembers_is_refused(host):
    graph = by("best_of_n", "dpmpp_2m", "remembers")
    graph["on"] = node("ProbeOnModel", model=["loader", 0], kind="APG")
    graph = with_input(graph, "count", "model", ["on", 0])
    graph["guider"]["inputs"]["cfg"] = 2.0
    with pytest.raises(ComfyError, match="remembers earlier calls"):
        host.run(graph)
