"""The exact results of a fixed set of searches, kept before a change that must alter none of them.

    FLOW_SEARCH_BITS=/tmp/bits.json python dev.py test tests/host/scripts/bits.py

records where that file is not there, and compares where it is: reports without their seconds,
latents bit by bit, and the replay of each recorded report. Another processor has other bits, so the
file is of one machine. pytest does not collect this file by itself.
"""

import copy
import json
import os
from pathlib import Path

import pytest
from pack.tools.probing import wiring
from pack.tools.probing.graphs import guided, node, particles, plain, search, with_input
from pack.tools.probing.runs import Runs

from ..helpers.methods import METHODS

FILE = os.environ.get("FLOW_SEARCH_BITS")
pytestmark = pytest.mark.skipif(FILE is None, reason="FLOW_SEARCH_BITS names no file")
CLIP = "Wan 2.1 T2V"


def by(method, sampler=None, **inputs):
    """A search by one method; `sampler` overrides inputs of the sampler node."""
    graph = particles(search(), method, **METHODS[method] | {"budget": 40} | inputs)
    graph["sampler"]["inputs"] |= sampler or {}
    return graph


def stepped(**inputs):
    graph = search()
    graph["sampler"]["inputs"] |= inputs
    return graph


def watched(graph):
    graph["dark"] = node("FlowSearchRewardLoader", reward="brightness", **{"reward.target": 0.0})
    return with_input(graph, "search", "watchdog", ["dark", 0])


def of_batch(graph, size=2):
    return with_input(graph, "latent", "batch_size", size)


def of_base(graph):
    graph["latent"]["inputs"] |= {"width": 128, "height": 128}
    return with_input(graph, "loader", "checkpoint", "base")


GRAPHS = {
    **{method: by(method) for method in METHODS},
    **{f"{method}, lookahead": by(method, lookahead=1, budget=60) for method in METHODS},
    **{f"{method}, look": of_base(by(method, lookahead=-1, budget=60)) for method in METHODS},
    **{
        f"{method}, {kernel}": by(method, {"kernel": kernel, "glass_steps": 2}, budget=60)
        for method in ("rbf", "svdd", "smc", "code")
        for kernel in ("euler_maruyama", "glass")
    },
    **{
        f"rbf, {path}": stepped(interpolant=path, kernel="euler_maruyama")
        for path in ("linear", "cosine", "linear_vp", "polynomial")
    },
    **{
        f"rbf, {shape}": stepped(diffusion=shape, diffusion_norm=0.5)
        for shape in ("sigma", "constant", "sin", "linear", "clipping", "exp", "tan")
    },
    **{
        f"guided {kind}, {schedule}": guided(kind, schedule=schedule)
        for kind in ("dps", "x0")
        for schedule in ("relative", "tempered")
    },
    "guided svdd": particles(guided("x0"), "svdd", budget=40),
    "cfg": search(cfg=2.0, budget=60),
    "paths": search(paths=2, budget=60, top_k=2),
    "batch": of_batch(search(top_k=2)),
    "one at a time": search(micro_batch=1),
    "three at a time": particles(search(), "svdd", budget=40, micro_batch=3),
    "window": particles(search(steps=6), "smc", budget=60, window_start=0.99, window_end=0.5),
    "watchdog": watched(search(top_k=2)),
    "preview": with_input(search(finish_steps=2), "search", "preview_vae", ["loader", 2]),
    "no finish": search(finish_steps=0),
}


WIRES = (  # what else a search of one image is given
    "picture", "masked", "soft_mask", "reference", "control", "lora", "cfg", "dual_cfg", "area",
    "low_half", "high_half",
)  # fmt: skip


def is_object(value):
    return isinstance(value, dict)


def clean(report):
    """A report without what differs from run to run."""
    report = copy.deepcopy(report)
    for one in (report, *report.get("batch", [])):
        for part in (one["spent"], *filter(is_object, one["spent"].values())):
            if "seconds" in part:
                part["seconds"] = dict.fromkeys(part["seconds"], 0.0)
    return report


def seen(host, graph):
    shown = host.probe(graph)
    return {"report": clean(shown["report"]), "latent": shown["latent"], "counts": shown["counts"]}


def wired(host, key, name, budget):
    runs = Runs(key)
    if key == CLIP:
        runs.vae = runs.node("VAELoader", vae_name="clip.safetensors")
    getattr(wiring, name)(runs)
    runs.run("one", budget=budget, init_particles=2, finish_steps=1, reward=runs.bright)
    runs.run("plain")
    shown = runs.show(host)
    return {
        "report": clean(shown["one"]["report"]),
        "latent": shown["one"]["latent"],
        "plain": shown["plain"]["latent"],
    }


def record(host):
    found = {}
    host.run({"files": node("ProbeTinyExtras")})
    for name, graph in GRAPHS.items():
        graph = with_input(with_input(graph, "count", "name", name), "probe", "name", name)
        found[name] = seen(host, graph)
    for name in WIRES:
        found[f"wired {name}"] = wired(host, wiring.IMAGE, name, 40)
    for name in ("first_frame", "some_frames", "masked"):
        found[f"clip {name}"] = wired(host, CLIP, name, 12)
    for kernel in ("euler_maruyama", "eta", "glass"):
        graph = plain(stepped(kernel=kernel))
        graph["count"]["inputs"]["name"] = f"plain {kernel}"
        found[f"plain {kernel}"] = host.probe(graph)["latent"]
    return found


def test_bits(host):
    file = Path(FILE)
    now = record(host)
    if not file.exists():
        file.write_text(json.dumps(now), "utf-8")
        pytest.skip(f"recorded {len(now)} results in {file}")
    before = json.loads(file.read_text("utf-8"))
    assert json.loads(json.dumps(now)).keys() >= before.keys()  # a method may be new
    changed = {n: differences(before[n], json.loads(json.dumps(now[n]))) for n in before}
    changed = {name: parts for name, parts in changed.items() if parts}
    assert not changed, json.dumps(changed, indent=1)


def differences(was, now, place=""):
    """The first few places where two JSON values differ, with both values."""
    if isinstance(was, dict) and isinstance(now, dict):
        found = []
        for key in [*was, *(k for k in now if k not in was)]:
            found += differences(was.get(key), now.get(key), f"{place}.{key}")
        return found[:5]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = enumerate(zip(was, now, strict=True))
        return [one for i, (a, b) in pairs for one in differences(a, b, f"{place}[{i}]")][:5]
    return [] if was == now else [f"{place}: {str(was)[:60]} -> {str(now)[:60]}"]


def test_recorded_reports_replay(host):
    """Reports of before give their winner again."""
    before = json.loads(Path(FILE).read_text("utf-8"))
    for name, graph in GRAPHS.items():
        if name == "batch" or name not in before:
            continue
        graph = with_input(with_input(graph, "count", "name", f"again {name}"),
                           "probe", "name", f"again {name}")  # fmt: skip
        graph["search"]["inputs"]["replay"] = json.dumps(before[name]["report"])
        shown = host.probe(graph)
        assert shown["latent"] == before[name]["latent"], name
        assert shown["report"]["best"]["reward"] == pytest.approx(
            before[name]["report"]["best"]["reward"], rel=1e-6
        )
