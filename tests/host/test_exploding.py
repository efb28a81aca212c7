"""Settings that explode are refused before compute, with the norm that does not (Field 19)."""

import json
import re

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, particles, plain, search, with_input

STEPS = 10
SETTINGS = {
    "tan": {"diffusion": "tan"},
    "constant, evenly": {"diffusion": "constant", "interpolant": "linear"},
    "exp": {"diffusion": "exp", "diffusion_norm": 20.0},
    "the default, in few steps": {},
}


def exploding(name, search_name="exploding", **inputs):
    """A search with the paper's step and norm where not overridden, over ten steps or four."""
    graph = search(steps=STEPS, budget=30, name=search_name, **inputs)
    wanted = {"kernel": "euler_maruyama", "diffusion_norm": 3.0} | SETTINGS[name]
    graph["sampler"]["inputs"] |= wanted
    if name != "tan":  # even steps
        steps = 4 if name == "the default, in few steps" else STEPS
        graph["sigmas"] = node(
            "BasicScheduler", model=["loader", 0], scheduler="simple", steps=steps, denoise=1.0
        )
    return graph


def sentence_of(host, graph):
    """What the graph is refused with; the network was not asked."""
    with pytest.raises(ComfyError) as caught:
        host.run(graph)
    probe = node("ProbeReport", latent=["latent", 0], name=graph["count"]["inputs"]["name"])
    counts = host.probe({"latent": graph["latent"], "probe": probe})["counts"]
    assert counts["rows"] == 0
    return str(caught.value)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_largest_stable_norm_is_named_and_works(host, name):
    graph = exploding(name, f"refused {name}")
    text = sentence_of(host, graph)
    own = graph["sampler"]["inputs"]
    found = re.fullmatch(
        rf"The noise explodes with diffusion {own['diffusion']} on these sigmas: "
        rf"got diffusion_norm {own['diffusion_norm']:g}, expected at most ([\d.]+)\. "
        r"Use that norm, or the kernel eta\.",
        text,
    )
    assert found, text
    assert sentence_of(host, plain(exploding(name, f"refused plain {name}"))) == text
    calm = with_input(exploding(name, f"calm {name}"), "sampler", "diffusion_norm", float(found[1]))
    values = host.probe(calm)["latent"]
    assert max(map(abs, values)) < 30
    other = with_input(exploding(name, f"eta {name}"), "sampler", "kernel", "eta")
    assert max(map(abs, host.probe(plain(other))["latent"])) < 30


def test_guidance_and_a_window_do_not_hide_it(host):
    graph = exploding("tan", "guided explosion", window_start=0.998)
    graph["reward"] = node("FlowSearchRewardLoader", reward="brightness")
    graph["sampler"]["inputs"] |= {"guidance": "x0", "guidance.strength": 0.25}
    assert "explodes with diffusion tan" in sentence_of(host, graph)


def test_the_last_step_of_split_sigmas_counts(host):
    """Where the search lands above 0 without a finish its kernel takes that step too."""
    graph = exploding("constant, evenly", "split", finish_steps=0)
    graph["sampler"]["inputs"]["diffusion_norm"] = 2.1
    graph["split"] = node("SplitSigmas", sigmas=["sigmas", 0], step=8)
    graph = with_input(graph, "search", "sigmas", ["split", 0])
    assert "got diffusion_norm 2.1, expected at most 1.75" in sentence_of(host, graph)
    graph = with_input(graph, "search", "finish_steps", 1)  # the ODE lands
    graph["count"]["inputs"]["name"] = graph["probe"]["inputs"]["name"] = "split, finished"
    assert max(map(abs, host.probe(graph)["latent"])) < 30


def test_what_takes_no_step_of_the_kernel_runs(host):
    """Search over paths solves the ODE; a replay repeats the steps of its report as they were."""
    sop = particles(exploding("tan", "sop"), "sop", budget=60)
    assert host.probe(sop)["report"]["spent"]["nfe"] > 0
    calm = with_input(exploding("tan", "before"), "sampler", "diffusion_norm", 0.5)
    report = host.probe(calm)["report"]
    report["settings"]["diffusion_norm"] = 3.0  # as a version without the check left it
    again = exploding("tan", "again", replay=json.dumps(report))
    assert host.probe(again)["report"]["method"] == "rbf"
