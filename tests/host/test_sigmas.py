"""Sigmas from any scheduler, samplers that take over from a search, and samplers of whole images.

Each row of a table in docs/models.md is the result of one of these tests.
"""

import itertools

import pytest
from pack.tools.probing.runs import Runs, assert_counted, refused
from pack.tools.probing.wiring import CLIP, EXPLODING, IMAGE, STEPS

from .helpers.model_tables import table_length

SECTION = "sigmas"
SAMPLERS = ("euler", "heun", "dpmpp_2m", "uni_pc", "res_multistep")
SOME = ("euler", "heun", "dpmpp_2m", "res_multistep", "dpmpp_2m_sde", "uni_pc")


@pytest.mark.parametrize("key", [IMAGE, EXPLODING])
def test_any_sampler_takes_over_a_search(host, table_row, key):
    """Searched down to a sigma with the steps of Euler, another from there: as after Euler."""
    runs = Runs(key)
    whole, runs.sampler = runs.schedule(2 * STEPS), runs.ours(0.0, "linear")
    runs.sigmas = high = runs.node("SplitSigmas", sigmas=whole, step=STEPS)
    one = runs.run("one", budget=STEPS)
    wide = runs.run("search", budget=12, init_particles=3, finish_steps=2, reward=runs.bright)
    runs.sampler = runs.stock
    half = runs.run("half")
    runs.sigmas = whole
    stock = runs.run("stock")
    low, as_is = [high[0], 1], {"steps": 1, "start_at_sigma": -1.0, "end_at_sigma": 0.0}
    as_is["spacing"] = "linear"
    runs.noise = runs.node("DisableNoise")
    for name in SAMPLERS:
        # It writes into the sigmas it is given (comfy/extra_samplers/uni_pc.py:850).
        own = name == "uni_pc"
        runs.sigmas = runs.node("ExtendIntermediateSigmas", sigmas=low, **as_is) if own else low
        runs.sampler, rest = runs.node("KSamplerSelect", sampler_name=name), {}
        for start, runs.latent in (("one", one), ("wide", wide), ("half", half)):
            rest[start] = runs.run(f"{name} after {start}")
        runs.compare(f"{name} as after Euler", rest["one"], rest["half"])
        runs.compare(f"{name} after wide", rest["wide"], rest["one"])
        runs.compare(f"{name} as Euler", rest["one"], stock)
    shown = runs.show(host)
    for name in SAMPLERS:
        assert shown[f"{name} as after Euler"]["differ"] < 1e-3, name
        wider, euler = shown[f"{name} after wide"], shown[f"{name} as Euler"]
        assert wider["a"]["finite"] and wider["differ"] > 1e-2
        assert euler["differ"] < 1e-3 if name == "euler" else euler["differ"] > 1e-3
    assert_counted(shown["search"], 12)
    report = shown["search"]["report"]
    last = report["trace"][-1]
    assert last["kind"] == "finish" and last["t"] == report["sigmas"][-1] > 0.0
    what = f"high half searched, low half by {', '.join(SAMPLERS)}"
    table_row(what, key, "works")


@pytest.mark.parametrize("key", [IMAGE, CLIP, EXPLODING])
def test_whole_images_of_any_sampler(host, version, table_row, key):
    """The first particle is the host's own run; what several cost is what the network sees."""
    nodes = host.client.get("/object_info")
    options = nodes["KSamplerSelect"]["input"]["required"]["sampler_name"][1]["options"]
    most = 1e-3 if key == EXPLODING else 0.0  # its noise is divided by 80 and multiplied again
    names, runs = options if key == IMAGE else SOME, Runs(key)
    # uni_pc writes into its sigmas: each run has its own, of a node that is not equal to another.
    schedules = (runs.schedule(STEPS, denoise=1.0 - i * 1e-12) for i in itertools.count(1))
    samplers = {name: runs.node("KSamplerSelect", sampler_name=name) for name in names}
    plain, rows = {}, {}
    for (name, runs.sampler), runs.sigmas in zip(samplers.items(), schedules, strict=False):
        plain[name] = runs.run(f"plain {name}")
    counted = runs.show(host)
    for (name, runs.sampler), runs.sigmas in zip(samplers.items(), schedules, strict=False):
        rows[name] = counted[f"plain {name}"]["counts"]["rows"]
        one = runs.particles(f"one {name}", "best_of_n", budget=rows[name])
        runs.compare(name, plain[name], one)
        wide = {"budget": 2 * rows[name] + 1, "reward": runs.bright}
        runs.particles(f"many {name}", "best_of_n", **wide)
    shown = runs.show(host)
    for name in names:
        assert shown[name]["differ"] <= most, name
        assert_counted(shown[f"one {name}"], rows[name])
        report, counts = shown[f"many {name}"]["report"], shown[f"many {name}"]["counts"]
        assert report["spent"]["nfe"] == counts["rows"] <= 2 * rows[name] + 1
        assert len({row["reward"] for row in report["trace"]}) >= 2, name
    listed = "every sampler of KSamplerSelect" if key == IMAGE else ", ".join(SOME)
    table_row(f"{listed}, best of N", key, "works")


SCHEDULERS = (
    "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal",
    "linear_quadratic", "kl_optimal",
)  # fmt: skip


@pytest.mark.parametrize(
    "key, shift",
    [
        (IMAGE, {"max_shift": 0.9, "base_shift": 0.5, "width": 512, "height": 512}),
        ("SD3.5", {"shift": 5.0}),
        (CLIP, {"shift": 3.0}),
    ],
)
def test_sigmas_of_every_scheduler(host, table_row, key, shift):
    """With the model's own shift, and with another one patched in."""
    runs = Runs(key)
    own = {name: runs.schedule(STEPS, scheduler=name) for name in SCHEDULERS}
    patch = "ModelSamplingFlux" if key == IMAGE else "ModelSamplingSD3"
    runs.model = runs.node(patch, model=runs.model, **shift)
    patched = {f"{n}, shifted": runs.schedule(STEPS, scheduler=n) for n in SCHEDULERS}
    for name, sigmas in (own | patched).items():
        runs.sigmas = sigmas
        plain = runs.run(f"plain {name}")
        runs.compare(name, plain, runs.run(f"one {name}", budget=STEPS))
    shown = runs.show(host)
    for name in own | patched:
        spent = shown[f"one {name}"]["report"]["spent"]["nfe"]
        assert spent == shown[f"one {name}"]["counts"]["rows"] <= STEPS, name
        assert shown[name]["differ"] == 0.0, name
    assert shown["one simple"]["latent"] != shown["one simple, shifted"]["latent"]
    table_row("every stock scheduler, own shift and patched", key, "works")


TO_ONE = {"sigma_max": 1.0, "sigma_min": 0.02}
SCHEDULER_NODES = {  # those that ask for a model, sigmas or steps get the test's own
    "BetaSamplingScheduler": {"alpha": 0.6, "beta": 0.6},
    "ExponentialScheduler": TO_ONE,
    "ExtendIntermediateSigmas": {
        "steps": 2, "start_at_sigma": -1.0, "end_at_sigma": 0.5, "spacing": "cosine",
    },
    "Flux2Scheduler": {"width": 512, "height": 512},
    "Ideogram4Scheduler": {"width": 512, "height": 512, "mu": 0.0, "std": 1.75},
    "KarrasScheduler": TO_ONE | {"rho": 7.0},
    "LTXVScheduler": {"max_shift": 2.05, "base_shift": 0.95, "stretch": True, "terminal": 0.1},
    "LaplaceScheduler": TO_ONE | {"mu": -1.0, "beta": 0.5},
    "ManualSigmas": {"sigmas": "1.0, 0.7, 0.2, 0.0"},
    "OptimalStepsScheduler": {"model_type": "FLUX", "denoise": 1.0},
    "PolyexponentialScheduler": TO_ONE | {"rho": 2.0},
    "SetFirstSigma": {"sigma": 0.95},
    "SplitSigmas": {"step": 2},
    "SplitSigmasDenoise": {"denoise": 0.6},
}  # fmt: skip
TO_LARGE = {"sigma_max": 14.614642, "sigma_min": 0.0291675, "rho": 7.0}
OTHER_SCHEDULERS = {  # their sigmas are of other models, or rise
    "AlignYourStepsScheduler": {"model_type": "SDXL", "denoise": 1.0},
    "FlipSigmas": {},
    "GITSScheduler": {"coeff": 1.2, "denoise": 1.0},
    "KarrasScheduler": TO_LARGE,
    "SDTurboScheduler": {"denoise": 1.0},
    "VPScheduler": {"beta_d": 19.9, "beta_min": 0.1, "eps_s": 0.001},
}


@pytest.fixture(scope="module")
def object_info(host):
    return host.client.get("/object_info")


def test_every_scheduler_of_the_host_is_here(object_info, version):
    options = object_info["BasicScheduler"]["input"]["required"]["scheduler"][1]["options"]
    assert list(SCHEDULERS) == options
    nodes = {name for name, info in object_info.items() if "SIGMAS" in info["output"]}
    known = {*SCHEDULER_NODES, *OTHER_SCHEDULERS, "BasicScheduler", "FlowSearchScheduler"}
    assert nodes == known


def test_sigmas_of_every_scheduler_node(host, object_info, table_row):
    runs, made = Runs(IMAGE), {}
    known = {"model": runs.model, "sigmas": runs.sigmas, "steps": STEPS}
    for name, settings in SCHEDULER_NODES.items():
        if name in object_info:
            wanted = object_info[name]["input"]["required"]
            made[name] = runs.node(name, **{key: (known | settings)[key] for key in wanted})
    plain = {name: runs.run(f"plain {name}") for name, runs.sigmas in made.items()}
    asked = runs.show(host)
    rows = {name: asked[f"plain {name}"]["counts"]["rows"] for name in made}
    for name, runs.sigmas in made.items():
        runs.compare(name, plain[name], runs.run(f"one {name}", budget=rows[name]))
    shown = runs.show(host)
    for name in made:
        assert_counted(shown[f"one {name}"], rows[name])
        assert shown[name]["differ"] == 0.0 and shown[name]["a"]["finite"], name
    assert len({tuple(shown[f"one {name}"]["latent"]) for name in made}) == len(made)
    listed = ", ".join(SCHEDULER_NODES)
    table_row(f"sigmas up to 1 of {listed}", IMAGE, "works")


def other_sigmas(name):
    def wire(runs):
        own = {"sigmas": runs.sigmas} if name == "FlipSigmas" else {"steps": STEPS}
        own |= {"model": runs.model} if name == "SDTurboScheduler" else {}
        runs.sigmas = runs.node(name, **own | OTHER_SCHEDULERS[name])

    return wire


def our_sigmas(runs):
    runs.sigmas = runs.node(
        "FlowSearchScheduler", steps=STEPS, spacing="exp", interpolant="vp", denoise=1.0
    )


RISE = "expected values falling strictly to at least 0"
TOO_HIGH = "expected at most 1. Use VP Flow Scheduler, or BasicScheduler with this model."
REFUSED = {
    f"sigmas of {name}{' from 14.6' * (name in SCHEDULER_NODES)}": (
        IMAGE, other_sigmas(name), RISE if name == "FlipSigmas" else TOO_HIGH,
    )
    for name in OTHER_SCHEDULERS
}  # fmt: skip
REFUSED["sigmas of another kind of flow"] = (EXPLODING, our_sigmas, "got 0.9935, expected about 80")
REFUSED["sigmas of a flow model"] = ("SDXL", our_sigmas, "got 0.9935, expected about 14.6")


@pytest.mark.parametrize("what", REFUSED)
def test_refused_in_one_sentence(host, table_row, what):
    key, wire, sentence = REFUSED[what]
    runs = Runs(key)
    wire(runs)
    table_row(what, key, f"refused: {refused(host, runs, sentence)}")


def test_the_table_has_no_other_rows():
    assert table_length(SECTION) == 2 + 3 + 3 + 1 + len(REFUSED)
