"""Two experts, as Wan 2.2 14B has: one budget, each model for its sigmas, few changes of model."""

import json

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node
from pack.tools.probing.runs import Runs, assert_counted
from pack.tools.probing.wiring import CLIP, cfg

STEPS, HIGH, BOUNDARY = 5, 3, 0.88  # of these sigmas three are above
LOW = "model_low"


def pair(low=None, steps=STEPS):
    """Runs of a small Wan, with another as the low-noise expert. Its weights have a patch."""
    runs = Runs(CLIP)
    other = low or runs.node("ProbeTinyModel", key=CLIP, loaded=False)
    patch = {"model1": other, "model2": runs.model, "multiplier": 0.5}
    low = runs.node("ModelMergeSubtract", **patch)
    runs.low = runs.node("ProbeCountNetwork", model=low, name=f"low {runs.mark}")
    runs.graph["low"] = node("ProbeReport", latent=runs.empty, name=f"low {runs.mark}")
    runs.sigmas, runs.sampler = runs.schedule(steps), runs.ours(0.0, "linear")
    runs.settings = {LOW: runs.low, "boundary": BOUNDARY}
    return runs


def chain(runs):
    """The host's own: euler with the high-noise model, then with the low-noise one."""
    parts = runs.node("SplitSigmas", sigmas=runs.sigmas, step=HIGH)
    inputs = {"noise": runs.noise, "sampler": runs.stock}
    first = runs.node(
        "SamplerCustomAdvanced",
        guider=runs.guide(runs.model), sigmas=parts, latent_image=runs.latent, **inputs,
    )  # fmt: skip
    inputs["noise"] = runs.node("DisableNoise")
    return runs.node(
        "SamplerCustomAdvanced",
        guider=runs.guide(runs.low), sigmas=[parts[0], 1], latent_image=first, **inputs,
    )  # fmt: skip


@pytest.mark.parametrize("wire", [None, cfg], ids=["plain", "CFG"])
def test_width_one_is_the_hosts_chain(host, wire):
    runs, rows = pair(), 1 if wire is None else 2
    if wire:
        wire(runs)
    plain, budget = chain(runs), rows * STEPS
    ours = runs.run("rbf", budget=budget, **runs.settings)
    runs.compare("rbf as chain", plain, ours)
    runs.sampler = runs.stock
    other = runs.particles("euler", "best_of_n", budget=budget, **runs.settings)
    runs.compare("euler as chain", plain, other)
    runs.compare("acts", plain, runs.run("alone"))
    shown = runs.show(host)
    assert shown["rbf as chain"]["differ"] < 1e-4 > shown["euler as chain"]["differ"]
    assert shown["acts"]["differ"] > 1e-2
    for name in ("rbf", "euler"):
        spent = shown[name]["report"]["spent"]
        assert spent["nfe_by_model"] == {"model": rows * HIGH, LOW: rows * (STEPS - HIGH)}
        assert shown[name]["counts"]["rows"] == rows * HIGH
        assert spent["nfe"] == budget and spent["model_swaps"] == 1


def test_search_ksampler_takes_both(host):
    """Its first image is KSampler's, with both models, as Particle Search makes it."""
    runs = pair()
    settings = {"steps": STEPS, "sampler_name": "ddim", "scheduler": "simple", "cfg": 1.0}
    name = f"KSampler {runs.mark}"
    found = runs.node(
        "FlowSearchKSampler",
        model=runs.node("ProbeCountNetwork", model=runs.model, name=name), positive=runs.text,
        negative=runs.text, latent_image=runs.latent, vae=runs.vae, reward=runs.bright, seed=7,
        denoise=1.0, effort=2, compare=True, **settings | runs.settings,
    )  # fmt: skip
    shown = {"images": [found[0], 1], "report": [found[0], 2]}
    runs.graph["searched"] = node("ProbeReport", latent=found, name=name, **shown)
    runs.sampler = runs.stock
    runs.particles("plain", "best_of_n", budget=STEPS, reward=runs.bright, **runs.settings)
    shown = runs.show(host)
    report, plain = shown["searched"]["report"], shown["plain"]["report"]
    assert report["plain"]["reward"] == pytest.approx(plain["best"]["reward"], abs=1e-4)
    assert report["spent"]["nfe_by_model"] == {"model": 2 * HIGH, LOW: 2 * (STEPS - HIGH)}
    assert shown["searched"]["counts"]["rows"] == 2 * HIGH
    assert report["settings"].items() >= {LOW: True, "boundary": BOUNDARY}.items()


def test_two_experts_of_one_file(host):
    """Both share a base model; each call has its own patches."""
    runs = pair()
    plain = chain(runs)
    shared = runs.node(
        "ModelMergeSubtract", model1=runs.model, model2=runs.model, multiplier=0.5
    )  # the same weights
    settings = {"budget": STEPS, "boundary": BOUNDARY, LOW: shared}
    runs.compare("same", plain, runs.run("one", **settings))
    assert runs.show(host)["same"]["differ"] < 1e-4


@pytest.mark.parametrize(
    ("method", "budget", "swaps"),
    [("best_of_n", 8 * STEPS, 1), ("best_of_n", 16 * STEPS, 3), ("svdd", 4 * STEPS, 1)],
)
def test_a_wave_changes_the_model_once(host, method, budget, swaps):
    runs = pair()
    found = runs.particles("many", method, budget=budget, reward=runs.bright, **runs.settings)
    again = {"budget": budget, "reward": runs.bright, "replay": [found[0], 2]}
    runs.compare("again", found, runs.particles("same", method, **again, **runs.settings))
    shown = runs.show(host)
    report = shown["many"]["report"]
    spent, by_model = report["spent"], report["spent"]["nfe_by_model"]
    assert spent["model_swaps"] == swaps
    assert spent["nfe"] == sum(by_model.values()) <= budget
    assert by_model["model"] == shown["many"]["counts"]["rows"]
    assert shown["again"]["differ"] == 0.0


def test_a_replay_needs_both_and_the_boundary(host):
    runs = pair()
    report = json.dumps(show_one(host, runs)["report"])
    for change, said in (({LOW: None}, f"own {LOW}: got False"), ({"boundary": 0.9}, "own bound")):
        runs = pair()
        runs.settings |= change
        runs.settings = {k: v for k, v in runs.settings.items() if v is not None}
        with pytest.raises(ComfyError, match=said):
            show_one(host, runs, replay=report)


def show_one(host, runs, **more):
    runs.run("one", **{"budget": STEPS} | runs.settings | more)
    return runs.show(host)["one"]


def test_what_is_refused(host):
    runs = pair()
    runs.sampler = runs.ours(1.0, "vp")
    sampler = runs.graph[runs.sampler[0]]["inputs"]
    sampler |= {"guidance": "x0", "guidance.strength": 1.0, "guidance.schedule": "relative"}
    with pytest.raises(ComfyError, match="Guidance takes one model: got model_low, expected none"):
        show_one(host, runs, reward=runs.bright)
    runs = pair()
    easy = {"reuse_threshold": 0.2, "start_percent": 0.15, "end_percent": 0.95, "verbose": False}
    runs.settings[LOW] = runs.node("EasyCache", model=runs.low, **easy)
    with pytest.raises(ComfyError, match="A step cache is on this model"):
        show_one(host, runs)


def test_an_expert_without_a_step_is_named(host):
    runs = pair()
    runs.settings["boundary"] = 0.0
    shown = show_one(host, runs)
    assert_counted(shown, STEPS)
    (line,) = [w for w in shown["report"]["warnings"] if LOW in w]
    assert line.endswith("The search called no model below the boundary.")
