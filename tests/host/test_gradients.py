"""Gradient guidance in a running ComfyUI: its own FLUX, decoder and rewards, in inference mode."""

import json

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import guided, node, particles, plain, with_input
from pack.tools.probing.runs import Runs


def alone(graph, batch=1):
    """The same by the sampler alone, in SamplerCustomAdvanced; the picture's score as well."""
    wired = graph["search"]["inputs"]
    graph = plain(graph)
    graph["latent"]["inputs"]["batch_size"] = batch
    for name in ("reward", "vae", "prompt"):
        graph["sampler"]["inputs"][name] = wired[name]
    graph["decode"] = node("VAEDecode", samples=["search", 0], vae=["loader", 2])
    graph["score"] = node(
        "FlowSearchRewardScore", images=["decode", 0], reward=["reward", 0], prompt=""
    )
    graph["scores"] = node(
        "ProbeScores", best_score=["score", 0], images=["score", 1], scores=["score", 2]
    )
    return graph


@pytest.mark.parametrize("reward, cfg", [("brightness", 1.0), ("colourfulness", 2.0)])
def test_against_finite_differences(host, reward, cfg):
    """Through network, decoder and reward, to a tolerance that the differences' own steps tell."""
    graph = guided(reward=reward, cfg=cfg)
    names = ("noise", "guider", "sampler", "sigmas", "latent_image", "vae", "reward")
    wires = {name: graph["search"]["inputs"][name] for name in names}
    graph = {k: v for k, v in graph.items() if k not in ("search", "probe")}
    shown = host.probe(graph | {"probe": node("ProbeGradients", **wires)})
    for name in ("x", "x0"):
        slope, far, near = shown[name]
        assert slope == pytest.approx(near, abs=2 * abs(far - near) + 0.015 * near)
    assert shown["rows"] == cfg  # one pass for the gradient
    assert shown["runs"] == [False, True]  # a block keeps nothing, and runs again on the way back
    assert shown["left"] == {
        "inference": True, "grad": False, "training": False, "patched": 0, "same": True,
        "weights": True,
    }  # fmt: skip


def of_model(key):
    """The gradients of one of the host's model classes, built small."""
    runs = Runs(key)
    reward = node("FlowSearchRewardLoader", **{"reward": "brightness", "reward.target": 0.0})
    runs.graph |= {"dark": reward}
    names = ("noise", "sampler", "sigmas", "vae")
    wires = {name: getattr(runs, name) for name in names} | {"latent_image": runs.latent}
    runs.graph["probe"] = node(
        "ProbeGradients", guider=runs.guide(runs.model), reward=["dark", 0], **wires
    )
    return runs


@pytest.mark.parametrize("key", ["SD3.5", "Qwen-Image", "Wan 2.1 T2V"])
def test_of_other_networks(host, key):
    shown = of_model(key).show(host)["probe"]
    for name in ("x", "x0"):
        slope, far, near = shown[name]
        assert slope == pytest.approx(near, abs=2 * abs(far - near) + 0.015 * near)
    assert shown["left"]["same"] and shown["left"]["patched"] == 0


def test_a_network_without_a_gradient_is_refused(host):
    refusal = "network has no gradient: got guidance dps .* expected x0"
    with pytest.raises(ComfyError, match=refusal):
        try:
            of_model("JoyImage").show(host)
        except ComfyError as error:
            if "has no attribute 'JoyImage'" in str(error):
                pytest.skip("this ComfyUI has no such model")
            raise


@pytest.fixture(scope="module")
def unguided(host):
    return host.probe(guided("none", name="unguided"))


@pytest.mark.parametrize("kind", ["dps", "x0"])
def test_a_guided_search_finds_more_and_pays_for_it(host, unguided, kind):
    shown = host.probe(guided(kind, strength=2.0, name=f"guided {kind}"))
    report, counts = shown["report"], shown["counts"]
    assert report["spent"]["nfe"] == counts["rows"] <= 20
    moved = {row["parent"] for row in report["trace"] if row["kind"] == "propose"}
    assert report["spent"]["gradients"] == len(moved) == 3  # a parent a transition
    assert report["spent"]["seconds"]["gradient"] > 0.0
    assert report["settings"]["guidance"] == kind
    assert report["settings"]["guidance.strength"] == 2.0
    assert report["best"]["reward"] > unguided["report"]["best"]["reward"] + 0.02
    assert unguided["report"]["spent"]["gradients"] == 0


def test_no_strength_is_no_guidance_bit_for_bit(host, unguided):
    shown = host.probe(guided("dps", strength=0.0, name="no strength"))
    assert shown["latent"] == unguided["latent"]
    assert shown["report"]["trace"] == unguided["report"]["trace"]


def test_smc(host):
    shown = host.probe(particles(guided("dps", name="smc"), "smc", budget=24))
    assert shown["report"]["spent"]["nfe"] == shown["counts"]["rows"] <= 24
    assert shown["report"]["spent"]["gradients"] > 0
    weighed = [row for row in shown["report"]["trace"] if row["kind"] != "finish"]
    assert all(row["log_w"] is not None for row in weighed)


@pytest.mark.parametrize("method", ["regional_paths", "regional", "sop"])
def test_velocity_guides_methods_that_walk_the_ode(host, method):
    """Without further evaluations, and a replay makes the same image."""

    def found(strength, **inputs):
        graph = guided("x0", strength=strength, schedule="velocity", name=f"{method} {strength}")
        return host.probe(particles(graph, method, budget=24, **inputs))

    plain, moved = found(0.0), found(2.0)
    spent = moved["report"]["spent"]
    assert spent["nfe"] == moved["counts"]["rows"] <= 24 and spent["gradients"] > 0
    assert plain["report"]["spent"]["gradients"] == 0
    assert moved["report"]["best"]["reward"] > plain["report"]["best"]["reward"] + 0.02
    again = found(2.0, replay=json.dumps(moved["report"]))
    assert again["latent"] == moved["latent"]


def test_alone(host):
    """Each picture of a batch by a gradient of its own."""

    def scores(kind, batch):
        graph = alone(guided(kind, strength=2.0, name=f"alone {kind} {batch}"), batch)
        return json.loads(host.run(graph)["scores"]["probe"][0])["scores"]["scores"]

    found = {kind: scores(kind, 2) for kind in ("none", "dps")}
    assert all(a > b + 0.02 for a, b in zip(found["dps"], found["none"], strict=True))
    assert scores("dps", 1) == pytest.approx(found["dps"][:1], abs=1e-3)


def starved(fall_back):
    """A search on a network that has no memory for a gradient."""
    graph = guided("dps", name=f"starved {fall_back}")
    graph["starved"] = node("ProbeNoMemory", model=["loader", 0], name="starved")
    graph["guider"]["inputs"]["model"] = ["starved", 0]
    graph["sampler"]["inputs"]["guidance.fall_back"] = fall_back
    return graph


def test_out_of_memory_falls_back_if_allowed(host):
    spent = host.probe(starved(True))["report"]["spent"]
    assert spent["fallbacks"] == spent["gradients"] == 3


def test_after_an_error_the_host_is_as_it_was(host, unguided):
    """A reward that breaks in the middle of a gradient."""
    graph = guided("dps", name="broken")
    graph["trouble"] = node(
        "ProbeTroubledReward", reward=["reward", 0], kind="raise", first=3, count=1, name="broken"
    )
    graph = with_input(graph, "search", "reward", ["trouble", 0])
    with pytest.raises(ComfyError, match="the reward broke"):
        host.run(graph)
    again = host.probe(guided("none", name="after the error"))
    assert again["latent"] == unguided["latent"]


CASES = {
    "no gradient": (
        lambda: guided("x0", reward="colour_count"),
        "got colour_count, expected one of sharpness, colourfulness",
    ),
    "alone, without a reward": (
        lambda: plain(guided("x0")),
        "got no reward and no vae, expected both",
    ),
    "glass": (
        lambda: with_input(guided(), "sampler", "kernel", "glass"),
        "Guidance cannot move the steps of this kernel: got glass, expected euler_maruyama or eta",
    ),
    "the ODE": (
        lambda: with_input(guided(), "sampler", "diffusion_norm", 0.0),
        "The schedule relative moves a step in proportion to its noise: got diffusion_norm 0, "
        "expected more than 0",
    ),
    "search over paths": (
        lambda: particles(guided(), "sop"),
        "Guidance does not move the method sop",
    ),
    "the ODE's weights": (
        lambda: with_input(
            particles(guided(schedule="tempered"), "smc"), "sampler", "diffusion_norm", 0.0
        ),
        "Guided smc needs random steps: got diffusion_norm 0, expected more than 0",
    ),
    "a step without noise": (
        lambda: with_input(
            particles(guided(schedule="tempered", steps=20, budget=60), "smc"),
            "sampler",
            "diffusion",
            "clipping",
        ),
        "Guided smc needs noise at every guided step: got none from",
    ),
    "budget": (lambda: guided(budget=9), "got 9 NFE, expected at least 10"),
    "memory": (
        lambda: starved(False),
        "GiB free, expected more. Use x0 guidance, fall_back on, or a smaller image.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_sentence(host, case):
    make, sentence = CASES[case]
    with pytest.raises(ComfyError) as caught:
        host.run(make())
    assert sentence in str(caught.value)
