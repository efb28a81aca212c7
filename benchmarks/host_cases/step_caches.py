"""Caches that skip calls of the network: ComfyUI's, and those of other packs, imitated."""

from __future__ import annotations

import re
from functools import partial

from ...tools.probing.graphs import node, search, with_input
from ...tools.probing.runs import Link, Runs, error_of
from ...tools.probing.server import Host
from ...tools.saved_workflow import Prompt
from .case import WORKS, Case, Row, rewards_of

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


def refused(host: Host, graph: Prompt, name: str) -> tuple[str, int]:
    """The sentence that a search is refused with, and the network rows that it had spent.

    Args:
        host: the ComfyUI.
        graph: the search.
        name: of its counter.
    """
    text, *saved = error_of(lambda: host.run(graph)).split("\n")
    assert "A step cache is on this model: got " in text and "expected none" in text
    assert not saved or "saved the best image so far" in saved[0]
    report = node("ProbeReport", latent=["latent", 0], name=name)
    counts = host.probe({"latent": search()["latent"], "probe": report})["counts"]
    return f"refused: {text}", counts["rows"] if counts else 0


def counted(runs: Runs) -> tuple[Prompt, str]:
    """The prompt of a search in more steps, and the name of its counter."""
    runs.sigmas = runs.schedule(6)
    runs.run("one", budget=60, init_particles=3, finish_steps=1, reward=runs.bright)
    return runs.graph, runs.graph["one"]["inputs"]["name"]


def step_cache(host: Host, name: str) -> Row:
    """The host's own cache is refused before it costs anything."""
    runs = Runs(LUMINA)
    runs.model = runs.node(name, model=runs.model, **EASY)
    sentence, rows = refused(host, *counted(runs))
    assert "EasyCache or LazyCache" in sentence and not rows
    return {"search": sentence}


def imitated_cache(host: Host, kind: str) -> Row:
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
    return {"search": sentence}


def whole(runs: Runs, cache: str, inputs: dict) -> tuple[Link, Link, dict]:
    """Searches that walk one image at a time on a model with a cache.

    Args:
        runs: the prompt.
        cache: the node that puts it on.
        inputs: of the node.

    Returns:
        The model without the cache, the search, and its settings.
    """
    runs.sampler, runs.sigmas = runs.stock, runs.schedule(6)
    bare, runs.model = runs.model, runs.node(cache, model=runs.model, **inputs)
    many = {"budget": 30, "reward": runs.bright}
    return bare, runs.particles("many", "best_of_n", **many), many


def cache_of_one_image(host: Host, name: str) -> Row:
    """The first image is the host's own run with the cache. A later one comes again by replay."""
    runs = Runs(LUMINA)
    bare, many, settings = whole(runs, *WHOLE[name])
    first = {"budget": 6, "target_reward": -1e6}  # what is skipped would buy a second image
    plain, narrow = runs.run("plain"), runs.particles("one", "best_of_n", **first)
    runs.compare("as plain", plain, narrow)
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
    rows = rewards_of(shown["many"])
    assert len(rows) == len(set(rows)) >= 4
    return WORKS


def cache_that_lasts(host: Host, kind: str) -> Row:
    """A cache that does not begin anew with each image."""
    runs = Runs(LUMINA)
    whole(runs, "ProbeCache", {"kind": kind})
    text = error_of(lambda: runs.show(host))
    assert "remembers earlier calls: got images" in text
    sentence = re.sub(r"got images \S+ apart", "got images … apart", text.split("\n")[0])
    return {"search": f"refused: {sentence}"}


CASES = [
    *(Case(name, LUMINA, partial(step_cache, name=name)) for name in ("EasyCache", "LazyCache")),
    *(
        Case(f"{kind} (imitated)", key, partial(imitated_cache, kind=kind))
        for kind, (key, _) in CACHES.items()
    ),
    *(
        Case(f"{name}, best of N by euler", LUMINA, partial(cache_of_one_image, name=name))
        for name in WHOLE
    ),
    *(
        Case(f"{kind} (imitated), best of N by euler", LUMINA, partial(cache_that_lasts, kind=kind))
        for kind in NEVER_ANEW
    ),
]
