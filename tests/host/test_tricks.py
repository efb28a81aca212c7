"""What people do to make a model faster or smaller keeps working, or is refused in one sentence.

Each row of a table in docs/models.md is the result of one of these tests.
"""

import os
import re

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, search, with_input
from pack.tools.probing.runs import Runs, assert_counted
from pack.tools.probing.wiring import IMAGE, STEPS, cfg, lora

from .helpers.model_tables import table_length

SECTION, BUDGET = "tricks", 8
EASY = {"reuse_threshold": 0.2, "start_percent": 0.15, "end_percent": 0.95, "verbose": False}
LUMINA = "Lumina 2"
# Which model each is tried on, and the rows of the network that are spent until it is found.
CACHES = {
    "TeaCache": (LUMINA, 3),
    "TeaCache behind another wrapper": (LUMINA, 3),
    "MagCache": (LUMINA, 3),
    "First Block Cache": ("demo", 8),
    "TaylorSeer": (LUMINA, 8),
    "Spectrum": (LUMINA, 12),
    "CacheDiT": (LUMINA, 12),
    "a cached forward as an object patch": (LUMINA, 8),
    "nunchaku's cache_threshold": (LUMINA, 0),
    "a cache of no known name": (LUMINA, 8),
    "a cache that an earlier run left on the network": (LUMINA, 8),
}
WHOLE = {  # caches that begin anew with each run of the host, and wrappers that ask before them
    "EasyCache": ("EasyCache", EASY | {"reuse_threshold": 3.0}),
    "LazyCache": ("LazyCache", EASY | {"reuse_threshold": 3.0}),
    "TeaCache (imitated)": ("ProbeCache", {"kind": "TeaCache"}),
    "MagCache (imitated)": ("ProbeCache", {"kind": "MagCache"}),
    "CacheDiT (imitated)": ("ProbeCache", {"kind": "CacheDiT"}),
}
NEVER_ANEW = ("TaylorSeer", "a cache of no known name")
NAMES_ALONE = (
    "a function with the name of a cache", "options with the names of caches",
    "wrappers with the names of caches",
)  # fmt: skip


@pytest.mark.parametrize("key", [IMAGE, "Wan 2.1 T2V"])
def test_a_backend_that_takes_one_row_a_call(host, table_row, key):
    """The search is that of micro_batch 1, and the refused call is not spent."""
    runs = Runs(key)
    wide = {"budget": BUDGET, "init_particles": 3, "finish_steps": 1, "reward": runs.bright}
    own = runs.model
    runs.model = runs.node("ProbeOneRow", model=own, refuses=True)
    refused = runs.run("refused", **wide)
    runs.model = runs.node("ProbeOneRow", model=own, refuses=False)
    runs.compare("same", refused, runs.run("one by one", micro_batch=1, **wide))
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0
    own, other = (shown[name]["report"] for name in ("refused", "one by one"))
    assert own["trace"] == other["trace"] and own["spent"]["nfe"] == BUDGET
    assert own["spent"]["network_calls"] == BUDGET
    if key == IMAGE:
        what = "backend that takes one row a call (nunchaku)"
        table_row(what, key, "works, one candidate at a time")


def test_a_backend_that_fails_all_the_same_says_so(host):
    graph = search()
    graph["one row"] = node("ProbeOneRow", model=["count", 0], refuses=True)
    graph = with_input(graph, "guider", "model", ["one row", 0])
    graph = with_input(graph, "guider", "cfg", 2.0)  # the host asks for two rows at least
    with pytest.raises(ComfyError, match="Batch size > 1 currently not supported"):
        host.run(graph)


def guided(runs):
    """Our sampler as it is, with a gradient through the network."""
    dps = {"guidance": "dps", "guidance.strength": 2.0}
    return runs.node("FlowSearchVPSDESampler", **runs.graph[runs.sampler[0]]["inputs"] | dps)


@pytest.mark.parametrize("dtype", ["fp8_e4m3fn", "fp8_e5m2"])
def test_weights_of_eight_bits(host, table_row, dtype):
    runs = Runs(IMAGE)
    full = runs.run("full")
    runs.model = runs.node("UNETLoader", unet_name=f"{IMAGE}.safetensors", weight_dtype=dtype)
    plain, one = runs.run("plain"), runs.run("one", budget=STEPS)
    runs.compare("as plain", plain, one)
    runs.compare("acts", full, plain)
    wide = {"init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.compare("finite", runs.run("search", budget=BUDGET, **wide), plain)
    shown = runs.show(host)
    assert shown["as plain"]["differ"] == 0.0 < shown["acts"]["differ"]
    assert shown["finite"]["a"]["finite"]
    assert_counted(shown["search"], BUDGET)
    table_row(f"weights in {dtype}", IMAGE, "works")


@pytest.mark.parametrize("kind", ["scaled_fp8", "comfy_quant"])
def test_weights_of_eight_bits_with_scales(host, table_row, kind):
    """Files with a scale for each matrix, in the older format and in the host's own.

    A LoRA is added there, too, and a gradient goes through.
    """
    host.run({"files": node("ProbeTinyExtras")})
    host.run({"file": node("ProbeTinyCheckpoint", key=IMAGE, scaled=kind)})
    runs = Runs(IMAGE)
    full, name = runs.run("full"), f"{IMAGE} {kind}.safetensors"
    runs.model = runs.node("UNETLoader", unet_name=name, weight_dtype="default")
    runs.loaded("loaded")
    bare = runs.run("bare")
    runs.compare("acts", full, bare)
    wide = {"budget": 12, "init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.run("search", **wide)
    own, runs.sampler = runs.sampler, guided(runs)
    runs.run("guided", **wide)
    runs.sampler = own
    lora(runs)
    plain, one = runs.run("plain"), runs.run("one", budget=STEPS)
    runs.compare("as plain", plain, one)
    runs.compare("adds", bare, plain)
    shown = runs.show(host)
    assert "QuantizedTensor" in shown["loaded"]["weights"]
    assert shown["as plain"]["differ"] == 0.0 < shown["acts"]["differ"] < 1.0
    assert shown["adds"]["differ"] > 1.0
    assert_counted(shown["search"], 12)
    assert shown["guided"]["report"]["spent"]["gradients"] > 0
    table_row(f"weights in fp8, scaled (`{kind}`), LoRA", IMAGE, "works")


def test_weights_unpacked_at_each_call(host, table_row):
    """A LoRA is added there, too, and a gradient goes through."""
    host.run({"files": node("ProbeTinyExtras")})
    runs = Runs(IMAGE)
    wide = {"budget": 12, "init_particles": 4, "finish_steps": 1, "reward": runs.bright}
    steered = guided(runs)
    packed = runs.node("ProbePacked", key=IMAGE)
    for name, model in (("whole", runs.model), ("packed", packed)):
        runs.model = model
        bare = runs.run(f"{name} bare")
        lora(runs)
        plain, one = runs.run(f"{name} plain"), runs.run(f"{name} one", budget=STEPS)
        runs.compare(f"{name} acts", bare, plain)
        runs.compare(f"{name} as plain", plain, one)
        for rows in (1, 4):
            runs.run(f"{name} by {rows}", micro_batch=rows, **wide)
        own, runs.sampler = runs.sampler, steered
        runs.run(f"{name} guided", **wide)
        runs.sampler, runs.model = own, model
        runs.compare(f"{name} given back", bare, runs.run(f"{name} again"))
    shown = runs.show(host)
    assert shown["packed as plain"]["differ"] == 0.0 == shown["packed given back"]["differ"]
    assert shown["packed acts"]["differ"] == pytest.approx(shown["whole acts"]["differ"], rel=0.1)
    assert_counted(shown["packed by 4"], 12)
    for kind in ("by 1", "by 4", "guided"):
        ours, theirs = (
            [r["reward"] for r in shown[f"{n} {kind}"]["report"]["trace"]]
            for n in ("packed", "whole")
        )
        assert ours == pytest.approx(theirs, abs=0.02)
    assert shown["packed guided"]["report"]["spent"]["gradients"] > 0
    table_row("weights unpacked at each call (GGUF, imitated), LoRA", IMAGE, "works")


def refused(host, graph, name):
    """The sentence that a search is refused with, and the network rows that it had spent."""
    with pytest.raises(ComfyError) as caught:
        host.run(graph)
    text, *saved = str(caught.value).split("\n")
    assert "A step cache is on this model: got " in text and "expected none" in text
    assert not saved or "saved the best image so far" in saved[0]
    report = node("ProbeReport", latent=["latent", 0], name=name)
    counts = host.probe({"latent": search()["latent"], "probe": report})["counts"]
    return f"refused: {text}", counts["rows"] if counts else 0


def counted(runs):
    """The prompt of a search in more steps, and the name of its counter."""
    runs.sigmas = runs.schedule(6)
    runs.run("one", budget=60, init_particles=3, finish_steps=1, reward=runs.bright)
    return runs.graph, runs.graph["one"]["inputs"]["name"]


@pytest.mark.parametrize("name", ["EasyCache", "LazyCache"])
def test_the_hosts_step_caches(host, table_row, name):
    runs = Runs(LUMINA)
    runs.model = runs.node(name, model=runs.model, **EASY)
    sentence, rows = refused(host, *counted(runs))
    assert "EasyCache or LazyCache" in sentence and not rows
    table_row(name, LUMINA, sentence)


@pytest.mark.parametrize("kind", CACHES)
def test_step_caches_of_other_packs(host, table_row, kind):
    """A cache is found by the first call that it skips, or by an answer that it changes."""
    key, most = CACHES[kind]
    if key == "demo":
        graph, name = search(budget=60, steps=6, name=kind), kind
        graph["cache"] = node("ProbeCache", model=["loader", 0], kind=kind)
        graph = with_input(graph, "count", "model", ["cache", 0])
    else:
        runs = Runs(key)
        runs.model = runs.node("ProbeCache", model=runs.model, kind=kind)
        graph, name = counted(runs)
    sentence, rows = refused(host, graph, name)
    assert rows <= most
    table_row(f"{kind} (imitated)", key, sentence)


def whole(runs, cache, inputs):
    """Searches that walk one image at a time on a model with a cache."""
    runs.sampler, runs.sigmas = runs.stock, runs.schedule(6)
    bare, runs.model = runs.model, runs.node(cache, model=runs.model, **inputs)
    many = {"budget": 30, "reward": runs.bright}
    return bare, runs.particles("many", "best_of_n", **many), many


@pytest.mark.parametrize("name", WHOLE)
def test_step_caches_where_one_image_is_walked_at_a_time(host, table_row, name):
    """The first image is the host's own run with the cache. A later one comes again by replay."""
    runs = Runs(LUMINA)
    bare, many, settings = whole(runs, *WHOLE[name])
    first = {"budget": 6, "target_reward": -1e6}  # what is skipped would buy a second image
    plain, one = runs.run("plain"), runs.particles("one", "best_of_n", **first)
    runs.compare("as plain", plain, one)
    again = runs.particles("again", "best_of_n", replay=[many[0], 2], **settings)
    runs.compare("again as many", many, again)
    cached, runs.model = runs.model, bare
    runs.compare("acts", runs.run("bare"), plain)
    runs.model = cached
    shown = runs.show(host)
    assert shown["as plain"]["differ"] == shown["again as many"]["differ"] == 0.0
    assert shown["acts"]["differ"] > 0.0
    spent, counts = shown["many"]["report"]["spent"], shown["many"]["counts"]
    skipped = 0 if name == "LazyCache" else spent["skipped_nfe"]  # no call comes to the counter
    assert counts["rows"] == spent["nfe"] + skipped and spent["skipped_nfe"] > 0
    rows = [row["reward"] for row in shown["many"]["report"]["trace"]]
    assert len(rows) == len(set(rows)) >= 4
    table_row(f"{name}, best of N by euler", LUMINA, "works")


@pytest.mark.parametrize("kind", NEVER_ANEW)
def test_step_caches_that_do_not_begin_anew(host, table_row, kind):
    runs = Runs(LUMINA)
    whole(runs, "ProbeCache", {"kind": kind})
    with pytest.raises(ComfyError, match="remembers earlier calls: got images") as no:
        runs.show(host)
    sentence = re.sub(r"got images \S+ apart", "got images … apart", str(no.value).split("\n")[0])
    table_row(f"{kind} (imitated), best of N by euler", LUMINA, f"refused: {sentence}")


@pytest.mark.parametrize("kind", NAMES_ALONE)
def test_a_name_alone_is_no_cache(host, kind):
    runs = Runs("Z-Image")
    plain = runs.run("plain")
    runs.model = runs.node("ProbeCache", model=runs.model, kind=kind)
    runs.compare("same", plain, runs.run("one", budget=STEPS))
    shown = runs.show(host)
    assert_counted(shown["one"], STEPS)
    assert shown["same"]["differ"] == 0.0


def test_skipped_layers_are_no_cache(host, table_row):
    """Guidance by a prediction that leaves some blocks out."""
    runs = Runs("SD3.5")
    layers = {"double_layers": "1", "single_layers": "", "scale": 3.0, "rescaling_scale": 0.0}
    between = {"start_percent": 0.0, "end_percent": 1.0}
    runs.model = runs.node("SkipLayerGuidanceDiT", model=runs.model, **layers, **between)
    cfg(runs)
    runs.run("one", budget=3 * STEPS)
    assert_counted(runs.show(host)["one"], 3 * STEPS)
    table_row("SkipLayerGuidanceDiT", "SD3.5", "works")


def test_momentum_of_guidance(host, table_row):
    """The host's APG adds the guidance of the calls before, which were of other candidates."""
    runs = Runs(IMAGE)
    cfg(runs)
    own, apg = runs.model, {"eta": 1.0, "norm_threshold": 5.0}
    runs.model = runs.node("APG", model=own, momentum=0.0, **apg)
    runs.run("none", budget=2 * STEPS)
    assert_counted(runs.show(host)["none"], 2 * STEPS)
    runs.model = runs.node("APG", model=own, momentum=-0.5, **apg)
    runs.run("some", budget=2 * STEPS)
    sentence = "APG has momentum on this model: got -0.5, expected 0"
    with pytest.raises(ComfyError, match=sentence) as no:
        runs.show(host)
    table_row("APG", IMAGE, "works")
    table_row("APG with momentum", IMAGE, f"refused: {no.value}")


@pytest.mark.parametrize(
    "what, kept", [("low VRAM", (0.0, 1.0)), ("no VRAM", (-1.0, 0.1))], ids=["low", "no"]
)
def test_little_memory(swapping, table_row, what, kept):
    """Weights that stay off the device are brought there call by call: the same bits."""
    found = swapping[what]
    assert kept[0] < found["held"][0] < kept[1]
    assert found["rewards"] == swapping["little"]["rewards"]
    flag = f"--{what.replace(' ', '').lower()}"
    table_row(f"`{flag}` (device simulated)", "demo", "works, the same candidates")


def test_compiled_networks(swapping, table_row):
    """One graph for a single row, one for the rows of the first call, one for any number."""
    found = swapping["compiled"]
    assert found["graphs"] == 3 and found["ran"] == found["spent"]["network_calls"]
    assert found["rewards"] == swapping["little"]["rewards"]
    what = "torch.compile (a backend that runs the graph as it is)"
    table_row(what, "demo", "works, the same candidates")


@pytest.mark.skipif(
    "FLOW_SEARCH_INDUCTOR" not in os.environ,
    reason="FLOW_SEARCH_INDUCTOR is not set: it compiles for minutes, by a C++ compiler",
)
def test_compiled_by_inductor(host):
    """The same candidates, by the host's own node; its calls are of one row and of several."""
    reports = []
    for backend in (None, "inductor"):
        graph = search(budget=12, name=f"compiled by {backend}")
        if backend:
            graph["compiled"] = node("TorchCompileModel", model=["loader", 0], backend=backend)
            graph = with_input(graph, "count", "model", ["compiled", 0])
        reports.append(host.probe(graph)["report"])
    plain, compiled = ([row["reward"] for row in report["trace"]] for report in reports)
    assert compiled == pytest.approx(plain, abs=1e-4)
    assert [report["spent"]["nfe"] for report in reports] == [12, 12]


def test_work_units_on_one_device(host):
    """The node leaves the model as it is."""
    if "MultiGPU_WorkUnits" not in host.client.get("/object_info"):
        pytest.skip("this ComfyUI has no work units")
    runs = Runs(IMAGE)
    cfg(runs)
    own = runs.run("own", budget=2 * STEPS)
    runs.model = runs.node("MultiGPU_WorkUnits", model=runs.model, max_gpus=2)
    runs.compare("same", own, runs.run("split", budget=2 * STEPS))
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0
    assert_counted(shown["split"], 2 * STEPS)


def test_work_units_on_two_devices(swapping, table_row):
    one, two = swapping["one device"], swapping["two devices"]
    if two is None:
        pytest.skip("this ComfyUI has no work units")
    assert (len(one["held"]), len(two["held"])) == (1, 2)
    assert two["spent"]["network_calls"] == 2 * one["spent"]["network_calls"]
    assert two["spent"]["nfe"] == one["spent"]["nfe"] == 40
    assert two["rewards"] == pytest.approx(one["rewards"], abs=1e-3)
    what = "MultiGPU CFG Split (devices simulated)"
    table_row(what, "demo", "works, the same candidates")


def test_rows_on_two_devices(swapping, table_row):
    """Calls of 4 rows on two devices are calls of 2 rows on one, to the last bit."""
    one, two = swapping["rows of one"], swapping["rows of two"]
    if two is None:
        pytest.skip("this ComfyUI has no work units")
    assert two["rows"] == {"cpu:0": 16, "cpu": 16} and not one["rows"]
    for key in ("rewards", "best", "picture"):
        assert one[key] == two[key]
    for key in ("nfe", "network_calls"):
        assert one["spent"][key] == two["spent"][key]
    table_row(
        "MultiGPU CFG Split, without CFG (devices simulated)", "demo", "works, the same particles"
    )


def test_the_table_has_no_other_rows():
    caches = len(CACHES) + len(WHOLE) + len(NEVER_ANEW)
    assert table_length(SECTION) == 2 + 2 + 2 + 1 + 2 + caches + 3 + 2 + 2
