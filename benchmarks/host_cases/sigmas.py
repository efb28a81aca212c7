"""Sigmas of any scheduler, samplers that take over from a search, and samplers of whole images."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

from ...tools.probing.runs import Runs, assert_counted, refused
from ...tools.probing.server import Host
from ...tools.probing.wiring import CLIP, EXPLODING, IMAGE, STEPS
from .case import WORKS, Case, Row

SAMPLERS = ("euler", "heun", "dpmpp_2m", "uni_pc", "res_multistep")
SOME = ("euler", "heun", "dpmpp_2m", "res_multistep", "dpmpp_2m_sde", "uni_pc")


def run_halves(runs: Runs) -> None:
    """Search down to a sigma with the steps of Euler; each sampler goes on from there."""
    whole, runs.sampler = runs.schedule(2 * STEPS), runs.ours(0.0, "linear")
    runs.sigmas = high = runs.node("SplitSigmas", sigmas=whole, step=STEPS)
    narrow = runs.run("one", budget=STEPS)
    wide = runs.run("search", budget=12, init_particles=3, finish_steps=2, reward=runs.bright)
    runs.sampler = runs.stock
    half = runs.run("half")
    runs.sigmas = whole
    stock = runs.run("stock")
    low, as_is = [high[0], 1], {"steps": 1, "start_at_sigma": -1.0, "end_at_sigma": 0.0}
    as_is["spacing"] = "linear"
    runs.noise = runs.node("DisableNoise")
    for name in SAMPLERS:
        # It writes into the sigmas that it gets (comfy/extra_samplers/uni_pc.py:850).
        writes = name == "uni_pc"
        runs.sigmas = runs.node("ExtendIntermediateSigmas", sigmas=low, **as_is) if writes else low
        runs.sampler, rest = runs.node("KSamplerSelect", sampler_name=name), {}
        for start, runs.latent in (("one", narrow), ("wide", wide), ("half", half)):
            rest[start] = runs.run(f"{name} after {start}")
        runs.compare(f"{name} as after Euler", rest["one"], rest["half"])
        runs.compare(f"{name} after wide", rest["wide"], rest["one"])
        runs.compare(f"{name} as Euler", rest["one"], stock)


def takes_over(host: Host, key: str) -> Row:
    """Another sampler takes over from a search as it does from Euler."""
    runs = Runs(key)
    run_halves(runs)
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
    return WORKS


def whole_images(host: Host, key: str) -> Row:
    """The first particle is the host's own run; what several cost is what the network sees."""
    nodes = host.object_info
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
        narrow = runs.particles(f"one {name}", "best_of_n", budget=rows[name])
        runs.compare(name, plain[name], narrow)
        wide = {"budget": 2 * rows[name] + 1, "reward": runs.bright}
        runs.particles(f"many {name}", "best_of_n", **wide)
    shown = runs.show(host)
    for name in names:
        assert shown[name]["differ"] <= most, name
        assert_counted(shown[f"one {name}"], rows[name])
        report, counts = shown[f"many {name}"]["report"], shown[f"many {name}"]["counts"]
        assert report["spent"]["nfe"] == counts["rows"] <= 2 * rows[name] + 1
        assert len({row["reward"] for row in report["trace"]}) >= 2, name
    return WORKS


SCHEDULERS = (
    "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal",
    "linear_quadratic", "kl_optimal",
)  # fmt: skip
SHIFTS = {
    IMAGE: {"max_shift": 0.9, "base_shift": 0.5, "width": 512, "height": 512},
    "SD3.5": {"shift": 5.0},
    CLIP: {"shift": 3.0},
}


def schedulers(host: Host, key: str) -> Row:
    """Every scheduler, with the model's own shift, and with another one patched in."""
    runs = Runs(key)
    every_sigmas = {name: runs.schedule(STEPS, scheduler=name) for name in SCHEDULERS}
    patch = "ModelSamplingFlux" if key == IMAGE else "ModelSamplingSD3"
    runs.model = runs.node(patch, model=runs.model, **SHIFTS[key])
    every_sigmas |= {f"{n}, shifted": runs.schedule(STEPS, scheduler=n) for n in SCHEDULERS}
    for name, sigmas in every_sigmas.items():
        runs.sigmas = sigmas
        plain = runs.run(f"plain {name}")
        runs.compare(name, plain, runs.run(f"one {name}", budget=STEPS))
    shown = runs.show(host)
    for name in every_sigmas:
        spent = shown[f"one {name}"]["report"]["spent"]["nfe"]
        assert spent == shown[f"one {name}"]["counts"]["rows"] <= STEPS, name
        assert shown[name]["differ"] == 0.0, name
    assert shown["one simple"]["latent"] != shown["one simple, shifted"]["latent"]
    return WORKS


TO_ONE = {"sigma_max": 1.0, "sigma_min": 0.02}
SCHEDULER_NODES = {  # those that ask for a model, sigmas or steps get the case's own
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


def scheduler_nodes(host: Host) -> Row:
    """The sigmas of each scheduler node that go up to 1."""
    runs, made = Runs(IMAGE), {}
    inputs = {"model": runs.model, "sigmas": runs.sigmas, "steps": STEPS}
    for name, settings in SCHEDULER_NODES.items():
        if name in host.object_info:
            required = host.object_info[name]["input"]["required"]
            made[name] = runs.node(name, **{key: (inputs | settings)[key] for key in required})
    plain = {name: runs.run(f"plain {name}") for name, runs.sigmas in made.items()}
    counted = runs.show(host)
    rows = {name: counted[f"plain {name}"]["counts"]["rows"] for name in made}
    for name, runs.sigmas in made.items():
        runs.compare(name, plain[name], runs.run(f"one {name}", budget=rows[name]))
    shown = runs.show(host)
    for name in made:
        assert_counted(shown[f"one {name}"], rows[name])
        assert shown[name]["differ"] == 0.0 and shown[name]["a"]["finite"], name
    assert len({tuple(shown[f"one {name}"]["latent"]) for name in made}) == len(made)
    return WORKS


TO_LARGE = {"sigma_max": 14.614642, "sigma_min": 0.0291675, "rho": 7.0}
OTHER_SCHEDULERS = {  # their sigmas are of other models, or rise
    "AlignYourStepsScheduler": {"model_type": "SDXL", "denoise": 1.0},
    "FlipSigmas": {},
    "GITSScheduler": {"coeff": 1.2, "denoise": 1.0},
    "KarrasScheduler": TO_LARGE,
    "SDTurboScheduler": {"denoise": 1.0},
    "VPScheduler": {"beta_d": 19.9, "beta_min": 0.1, "eps_s": 0.001},
}


def other_sigmas(name: str) -> Callable[[Runs], None]:
    def wire(runs: Runs) -> None:
        inputs = {"sigmas": runs.sigmas} if name == "FlipSigmas" else {"steps": STEPS}
        inputs |= {"model": runs.model} if name == "SDTurboScheduler" else {}
        runs.sigmas = runs.node(name, **inputs | OTHER_SCHEDULERS[name])

    return wire


def our_sigmas(runs: Runs) -> None:
    runs.sigmas = runs.node(
        "FlowSearchScheduler", steps=STEPS, spacing="exp", interpolant="vp", denoise=1.0
    )


RISE = "expected values falling strictly to at least 0"
TOO_HIGH = "expected at most 1. Use VP Flow Scheduler, or BasicScheduler with this model."
REFUSED: dict[str, tuple[str, Callable[[Runs], None], str]] = {
    f"sigmas of {name}{' from 14.6' * (name in SCHEDULER_NODES)}": (
        IMAGE, other_sigmas(name), RISE if name == "FlipSigmas" else TOO_HIGH,
    )
    for name in OTHER_SCHEDULERS
}  # fmt: skip
REFUSED["sigmas of another kind of flow"] = (EXPLODING, our_sigmas, "got 0.9935, expected about 80")
REFUSED["sigmas of a flow model"] = ("SDXL", our_sigmas, "got 0.9935, expected about 14.6")


def refuses(host: Host, what: str) -> Row:
    """Refused in one sentence."""
    key, wire, sentence = REFUSED[what]
    runs = Runs(key)
    wire(runs)
    return {"search": f"refused: {refused(host, runs, sentence)}"}


HALVES = f"high half searched, low half by {', '.join(SAMPLERS)}"
NODES = f"sigmas up to 1 of {', '.join(SCHEDULER_NODES)}"
WHOLE = {
    IMAGE: "every sampler of KSamplerSelect, best of N",
    CLIP: f"{', '.join(SOME)}, best of N",
    EXPLODING: f"{', '.join(SOME)}, best of N",
}
CASES = [
    *(Case(HALVES, key, partial(takes_over, key=key)) for key in (IMAGE, EXPLODING)),
    *(
        Case("every stock scheduler, own shift and patched", key, partial(schedulers, key=key))
        for key in SHIFTS
    ),
    Case(NODES, IMAGE, scheduler_nodes),
    *(Case(WHOLE[key], key, partial(whole_images, key=key), newest=True) for key in WHOLE),
    *(Case(what, key, partial(refuses, what=what)) for what, (key, _, _) in REFUSED.items()),
]
