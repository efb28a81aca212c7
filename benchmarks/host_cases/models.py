"""Model classes of the host: searched as the plain sampler samples them, or refused clearly."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...tools.client import ComfyError
from ...tools.probing.runs import STOCK, Link, Runs, assert_counted
from ...tools.probing.server import Host
from ...tools.probing.tiny import DIFFUSION, MODELS, NOT_FROM_NOISE, REFUSED
from .case import Case, Row

STEPS, EDIT_STEPS, BUDGET, EDIT_BUDGET = 3, 2, 8, 5
# The plain sampler fails on a masked latent of these, too: the mask has as many channels as the
# latent, and their networks have room for one (comfy/model_base.py:2499, 2574); the refiner folds
# two channels into one only in a latent that is not empty (comfy/latent_formats.py:869).
HOST_CANNOT_EDIT = ("HunyuanImage 2.1 refiner", "HunyuanVideo 1.5", "Kandinsky 5 video")
# The sound of these has sigmas of its own, so only samplers of the host walk them.
WHOLE = ("MiniMax H3 (sound and video)",)
# There the stock Euler ends with x + (x - x0) / sigma * -sigma, also where a mask keeps x0. Each of
# these four operations rounds a number below 6 by 2^-24 of it.
ROUNDED = 4 * 6 * 2.0**-24
Outcome = dict[str, Any] | str  # what the probes of a prompt show, or the sentence of a refusal


def searched(key: str) -> Runs:
    """Plain, of width 1 and a search; then stock and of width 1 on a masked picture.

    Of a model that is refused only the search.
    """
    runs = Runs(key)
    if key in REFUSED:
        runs.run("one", budget=STEPS)
        return runs
    if key in WHOLE:
        return searched_whole(runs)
    plain = runs.run("plain")
    runs.compare("as plain", plain, runs.run("one", budget=STEPS))
    if key in DIFFUSION:
        euler(runs)
    search = runs.run("search", budget=BUDGET, init_particles=2, finish_steps=1, reward=runs.bright)
    runs.compare("shaped", plain, search)
    if key not in HOST_CANNOT_EDIT:
        edit(runs)
    return runs


def searched_whole(runs: Runs) -> Runs:
    """The same by the stock Euler, of a model that a search's own steps do not fit."""
    runs.sampler = runs.stock
    plain = runs.run("plain")
    runs.compare("as plain", plain, runs.particles("one", "best_of_n", budget=STEPS))
    wide = {"reward": runs.bright}
    search = runs.particles("search", "best_of_n", budget=2 * STEPS, **wide)
    runs.compare("shaped", plain, search)
    plain, kept = stock_edit(runs), runs.kept()
    search = runs.particles("search edit", "best_of_n", budget=2 * EDIT_STEPS, **wide)
    narrow = runs.particles("one edit", "best_of_n", budget=EDIT_STEPS)
    runs.compare("kept by search", search, kept)
    runs.compare("edited as stock", plain, narrow)
    runs.compare("kept", narrow, kept)
    runs.compare("kept by host", kept, runs.picture)
    return runs


def euler(runs: Runs) -> None:
    """The stock Euler from pure noise, and a search of width 1 that takes its steps."""
    sampler, runs.sampler = runs.sampler, runs.stock
    stock, runs.sampler = runs.run("stock"), runs.ours(0.0, "linear")
    runs.compare("as stock", stock, runs.run("euler", budget=STEPS))
    runs.sampler = sampler


def stock_edit(runs: Runs) -> Link:
    """A masked picture by the stock Euler."""
    runs.latent, runs.sigmas = runs.masked, runs.schedule(EDIT_STEPS, denoise=0.6)
    sampler, runs.sampler = runs.sampler, runs.stock
    plain, runs.sampler = runs.run("stock edit"), sampler
    return plain


def edit(runs: Runs) -> None:
    """The same by a wide search, and by a search of width 1 that takes Euler's steps."""
    plain, kept = stock_edit(runs), runs.kept()
    wide = {"budget": EDIT_BUDGET, "init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.compare("kept by search", runs.run("search edit", **wide), kept)
    runs.sampler = runs.ours(0.0, "linear")
    narrow = runs.run("one edit", budget=EDIT_STEPS)
    runs.compare("edited as stock", plain, narrow)
    runs.compare("kept", narrow, kept)
    runs.compare("kept by host", kept, runs.picture)


def of_class(host: Host, runs: Runs) -> str:
    """The class that the host takes the model for; the model is built or loaded once."""
    alone = Runs(runs.key)
    alone.model, alone.graph = runs.model, {runs.model[0]: runs.graph[runs.model[0]]}
    alone.loaded("loaded")
    return alone.show(host)["loaded"]["class"]


def outcome(host: Host, key: str) -> Outcome:
    """What the prompt of a model shows, or the sentence that it is refused with."""
    runs = searched(key)
    try:
        assert of_class(host, runs) == MODELS[key].config
        return runs.show(host)
    except ComfyError as error:
        return str(error)


def assert_sampled(key: str, shown: Outcome) -> None:
    """Width 1 is the plain sampler bit for bit; a wider search is counted, finite and in shape."""
    assert isinstance(shown, dict), shown
    frames = MODELS[key].frames
    assert shown["plain"]["counts"]["rows"] == STEPS * frames
    assert_counted(shown["one"], STEPS, frames)
    if key in DIFFUSION:
        stock = shown["as stock"]["a"]
        assert stock["finite"] and shown["as stock"]["differ"] < 1e-4 * stock["largest"]
    assert_counted(shown["search"], 2 * STEPS if key in WHOLE else BUDGET, frames)
    narrow, search = shown["as plain"], shown["shaped"]
    assert narrow["differ"] == 0.0 and narrow["a"]["finite"]
    assert search["b"]["finite"] and search["b"]["shape"] == search["a"]["shape"]
    shape = search["b"]["shape"]
    assert shown["search"]["images"][0] == (shape[2] if len(shape) == 5 else frames)


def assert_edited(key: str, shown: dict[str, Any]) -> None:
    """Where half a picture may change it does as by the stock sampler; the other half stays."""
    frames, budget = MODELS[key].frames, 2 * EDIT_STEPS if key in WHOLE else EDIT_BUDGET
    assert_counted(shown["one edit"], EDIT_STEPS, frames)
    assert_counted(shown["search edit"], budget, frames)
    assert shown["edited as stock"]["differ"] < 1e-3
    for kept in (shown["kept"], shown["kept by search"]):
        assert kept["left"] <= (ROUNDED if key in WHOLE else 0.0) and kept["differ"] > 0.1
    assert shown["kept by host"]["differ"] < 1e-5  # into the model's space and back may round


def assert_refused(key: str, sentence: Outcome) -> None:
    """Refused in one sentence, which says why."""
    assert isinstance(sentence, str) and "\n" not in sentence
    if key in NOT_FROM_NOISE:
        assert "a model that makes images from noise" in sentence and "Module." not in sentence
    else:
        cannot = ("got an audio model, expected a", "expected 4 dimensions")
        assert any(part in sentence for part in cannot), sentence


def cells(key: str, measured: Outcome) -> Row:
    """The cells of a model's row, of an outcome that holds."""
    tiny = MODELS[key]
    shapes = tiny.parts or (tiny.latent,)
    latent = " + ".join("×".join(map(str, shape)) for shape in shapes)
    latent = f"{tiny.frames} frames of {latent}" if tiny.frames > 1 else latent
    row = {"class": tiny.config, "from": "", "latent": latent}
    if key in REFUSED:
        assert_refused(key, measured)
        return row | {"search": f"refused: {measured}", "masked": ""}
    assert_sampled(key, measured)
    row["from"] = "file" if key in STOCK else "class"
    row["search"] = "works, whole trajectories" if key in WHOLE else "works"
    if key in HOST_CANNOT_EDIT:
        return row | {"masked": "not in ComfyUI"}
    assert_edited(key, measured)
    return row | {"masked": "works"}


def measured(host: Host, key: str) -> Row:
    return cells(key, outcome(host, key))


CASES = [Case("", key, partial(measured, key=key)) for key in MODELS]
