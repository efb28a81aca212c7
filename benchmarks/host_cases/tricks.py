"""What people do to make a model faster or smaller."""

from __future__ import annotations

from functools import partial

from ...tools.probing.graphs import node
from ...tools.probing.runs import Link, Runs, assert_counted, error_of
from ...tools.probing.server import Host
from ...tools.probing.wiring import IMAGE, STEPS, cfg, lora
from . import step_caches
from .case import WORKS, Case, Row, near, rewards_of

BUDGET = 8
EXTRAS = {"files": node("ProbeTinyExtras")}  # a LoRA


def one_row_a_call(host: Host, key: str) -> Row:
    """The search is that of micro_batch 1, and the refused call is not spent."""
    runs = Runs(key)
    wide = {"budget": BUDGET, "init_particles": 3, "finish_steps": 1, "reward": runs.bright}
    model = runs.model
    runs.model = runs.node("ProbeOneRow", model=model, refuses=True)
    refusing = runs.run("refused", **wide)
    runs.model = runs.node("ProbeOneRow", model=model, refuses=False)
    runs.compare("same", refusing, runs.run("one by one", micro_batch=1, **wide))
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0
    report, single = (shown[name]["report"] for name in ("refused", "one by one"))
    assert report["trace"] == single["trace"] and report["spent"]["nfe"] == BUDGET
    assert report["spent"]["network_calls"] == BUDGET
    return {"search": "works, one candidate at a time"}


def guided(runs: Runs) -> Link:
    """Our sampler as it is, with a gradient through the network."""
    dps = {"guidance": "dps", "guidance.strength": 2.0}
    return runs.node("FlowSearchVPSDESampler", **runs.graph[runs.sampler[0]]["inputs"] | dps)


def eight_bits(host: Host, dtype: str) -> Row:
    """Weights that the loader casts."""
    runs = Runs(IMAGE)
    full = runs.run("full")
    runs.model = runs.node("UNETLoader", unet_name=f"{IMAGE}.safetensors", weight_dtype=dtype)
    plain, narrow = runs.run("plain"), runs.run("one", budget=STEPS)
    runs.compare("as plain", plain, narrow)
    runs.compare("acts", full, plain)
    wide = {"init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.compare("finite", runs.run("search", budget=BUDGET, **wide), plain)
    shown = runs.show(host)
    assert shown["as plain"]["differ"] == 0.0 < shown["acts"]["differ"]
    assert shown["finite"]["a"]["finite"]
    assert_counted(shown["search"], BUDGET)
    return WORKS


def eight_bits_with_scales(host: Host, kind: str) -> Row:
    """Files with a scale for each matrix, in the older format and in the host's own.

    A LoRA is added there, too, and a gradient goes through.
    """
    host.run(EXTRAS)
    host.run({"file": node("ProbeTinyCheckpoint", key=IMAGE, scaled=kind)})
    runs = Runs(IMAGE)
    full, name = runs.run("full"), f"{IMAGE} {kind}.safetensors"
    runs.model = runs.node("UNETLoader", unet_name=name, weight_dtype="default")
    runs.loaded("loaded")
    bare = runs.run("bare")
    runs.compare("acts", full, bare)
    wide = {"budget": 12, "init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.run("search", **wide)
    sampler, runs.sampler = runs.sampler, guided(runs)
    runs.run("guided", **wide)
    runs.sampler = sampler
    lora(runs)
    plain, narrow = runs.run("plain"), runs.run("one", budget=STEPS)
    runs.compare("as plain", plain, narrow)
    runs.compare("adds", bare, plain)
    shown = runs.show(host)
    assert "QuantizedTensor" in shown["loaded"]["weights"]
    assert shown["as plain"]["differ"] == 0.0 < shown["acts"]["differ"] < 1.0
    assert shown["adds"]["differ"] > 1.0
    assert_counted(shown["search"], 12)
    assert shown["guided"]["report"]["spent"]["gradients"] > 0
    return WORKS


def run_unpacked(runs: Runs) -> None:
    """The same runs of a model as it is, and of one that unpacks its weights at each call."""
    wide = {"budget": 12, "init_particles": 4, "finish_steps": 1, "reward": runs.bright}
    steered = guided(runs)
    packed = runs.node("ProbePacked", key=IMAGE)
    for name, model in (("whole", runs.model), ("packed", packed)):
        runs.model = model
        bare = runs.run(f"{name} bare")
        lora(runs)
        plain, narrow = runs.run(f"{name} plain"), runs.run(f"{name} one", budget=STEPS)
        runs.compare(f"{name} acts", bare, plain)
        runs.compare(f"{name} as plain", plain, narrow)
        for rows in (1, 4):
            runs.run(f"{name} by {rows}", micro_batch=rows, **wide)
        sampler, runs.sampler = runs.sampler, steered
        runs.run(f"{name} guided", **wide)
        runs.sampler, runs.model = sampler, model
        runs.compare(f"{name} restored", bare, runs.run(f"{name} again"))


def unpacked(host: Host) -> Row:
    """A LoRA is added there, too, and a gradient goes through."""
    host.run(EXTRAS)
    runs = Runs(IMAGE)
    run_unpacked(runs)
    shown = runs.show(host)
    assert shown["packed as plain"]["differ"] == 0.0 == shown["packed restored"]["differ"]
    packed, whole = (shown[f"{name} acts"]["differ"] for name in ("packed", "whole"))
    assert abs(packed - whole) <= 0.1 * abs(whole)
    assert_counted(shown["packed by 4"], 12)
    for kind in ("by 1", "by 4", "guided"):
        ours, theirs = (rewards_of(shown[f"{name} {kind}"]) for name in ("packed", "whole"))
        assert near(ours, theirs, 0.02)
    assert shown["packed guided"]["report"]["spent"]["gradients"] > 0
    return WORKS


def skipped_layers(host: Host) -> Row:
    """Guidance by a prediction that leaves some blocks out is no cache."""
    runs = Runs("SD3.5")
    layers = {"double_layers": "1", "single_layers": "", "scale": 3.0, "rescaling_scale": 0.0}
    between = {"start_percent": 0.0, "end_percent": 1.0}
    runs.model = runs.node("SkipLayerGuidanceDiT", model=runs.model, **layers, **between)
    cfg(runs)
    runs.run("one", budget=3 * STEPS)
    assert_counted(runs.show(host)["one"], 3 * STEPS)
    return WORKS


def projected(name: str, momentum: float) -> Runs:
    """A search under the host's APG."""
    runs = Runs(IMAGE)
    cfg(runs)
    apg = {"eta": 1.0, "norm_threshold": 5.0, "momentum": momentum}
    runs.model = runs.node("APG", model=runs.model, **apg)
    runs.run(name, budget=2 * STEPS)
    return runs


def without_momentum(host: Host) -> Row:
    assert_counted(projected("none", 0.0).show(host)["none"], 2 * STEPS)
    return WORKS


def with_momentum(host: Host) -> Row:
    """The guidance of earlier calls was that of other particles."""
    text = error_of(lambda: projected("some", -0.5).show(host))
    assert "APG has momentum on this model: got -0.5, expected 0" in text
    return {"search": f"refused: {text}"}


CASES = [
    Case("backend that takes one row a call (nunchaku)", IMAGE, partial(one_row_a_call, key=IMAGE)),
    *(
        Case(f"weights in {dtype}", IMAGE, partial(eight_bits, dtype=dtype))
        for dtype in ("fp8_e4m3fn", "fp8_e5m2")
    ),
    *(
        Case(
            f"weights in fp8, scaled (`{kind}`), LoRA", IMAGE,
            partial(eight_bits_with_scales, kind=kind),
        )
        for kind in ("scaled_fp8", "comfy_quant")
    ),
    Case("weights unpacked at each call (GGUF, imitated), LoRA", IMAGE, unpacked),
    *step_caches.CASES,
    Case("SkipLayerGuidanceDiT", "SD3.5", skipped_layers),
    Case("APG", IMAGE, without_momentum),
    Case("APG with momentum", IMAGE, with_momentum),
]  # fmt: skip
