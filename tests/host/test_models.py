"""Every model class of the host: searched as the plain sampler samples it, or refused clearly.

The first section of docs/models.md is the table of their results.
"""

import re

import pytest
from pack.tools.client import ComfyError
from pack.tools.sections import table

from .helpers.graphs import node
from .helpers.runs import STOCK, Runs, assert_counted, refused
from .helpers.server import NEWEST
from .tiny import DIFFUSION, MODELS, NOT_FROM_NOISE, REFUSED, RUN

STEPS, EDIT_STEPS, BUDGET, EDIT_BUDGET = 3, 2, 8, 5
# The plain sampler fails on a masked latent of these, too: the mask has as many channels as the
# latent, and their networks have room for one (comfy/model_base.py:2499, 2574); the refiner folds
# two channels into one only in a latent that is not empty (comfy/latent_formats.py:869).
HOST_CANNOT_EDIT = ("HunyuanImage 2.1 refiner", "HunyuanVideo 1.5", "Kandinsky 5 video")
# What older hosts say of a model that they lack, or that needs a pooled text there.
OLDER = re.compile(r"^module 'comfy.supported_models' has no|^'pooled_output'$|^\w+Params.__init__")
DROPPED = (
    "Built without parts that run only where their input (sound, faces, a second text) is given, "
    "and whose size is fixed:"
)
# The sound of these has sigmas of its own, so only samplers of the host walk them.
WHOLE = ("MiniMax H3 (sound and video)",)
# There the stock Euler ends with x + (x - x0) / sigma * -sigma, also where a mask keeps x0. Each of
# these four operations rounds a number below 6 by 2^-24 of it.
ROUNDED = 4 * 6 * 2.0**-24
WHY = {  # of the refused ones
    "Lotus": "it measures depth or surfaces in a given image. It begins from that image, not from "
    "noise, so it has one answer",
    "Wan 2.1 FlowRVS": "it cuts an object out of a given video. It begins from that video, not "
    "from noise, so it has one answer",
    "Stable Audio 1, Stable Audio 3, ACE-Step, ACE-Step 1.5": "they make sound alone. No reward "
    "hears it",
    "Hunyuan3D 2, Hunyuan3D 2.1, Hunyuan3D 2 mini, TripoSplat": "they make solid shapes. No reward "
    "looks at these",
}
NOT_TRIED = {
    "Stable_Zero123": "samples as SD 1.5 does",
    "RT_DETR_v4": "finds objects",
    "DepthAnything3": "measures depth",
    "SAM3": "cuts out objects",
    "SAM31": "cuts out objects",
}


def searched(key):
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


def searched_whole(runs):
    """The same by the stock Euler, of a model that a search's own steps do not fit."""
    runs.sampler = runs.stock
    plain = runs.run("plain")
    runs.compare("as plain", plain, runs.particles("one", "best_of_n", budget=STEPS))
    wide = {"reward": runs.bright}
    search = runs.particles("search", "best_of_n", budget=2 * STEPS, **wide)
    runs.compare("shaped", plain, search)
    plain, kept = stock_edit(runs), runs.kept()
    search = runs.particles("search edit", "best_of_n", budget=2 * EDIT_STEPS, **wide)
    one = runs.particles("one edit", "best_of_n", budget=EDIT_STEPS)
    runs.compare("kept by search", search, kept)
    runs.compare("edited as stock", plain, one)
    runs.compare("kept", one, kept)
    runs.compare("kept by host", kept, runs.picture)
    return runs


def euler(runs):
    """The stock Euler from pure noise, and a search of width 1 that takes its steps."""
    own, runs.sampler = runs.sampler, runs.stock
    stock, runs.sampler = runs.run("stock"), runs.ours(0.0, "linear")
    runs.compare("as stock", stock, runs.run("euler", budget=STEPS))
    runs.sampler = own


def stock_edit(runs):
    """A masked picture by the stock Euler."""
    runs.latent, runs.sigmas = runs.masked, runs.schedule(EDIT_STEPS, denoise=0.6)
    own, runs.sampler = runs.sampler, runs.stock
    plain, runs.sampler = runs.run("stock edit"), own
    return plain


def edit(runs):
    """The same by a wide search, and by a search of width 1 that takes Euler's steps."""
    plain, kept = stock_edit(runs), runs.kept()
    wide = {"budget": EDIT_BUDGET, "init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.compare("kept by search", runs.run("search edit", **wide), kept)
    runs.sampler = runs.ours(0.0, "linear")
    one = runs.run("one edit", budget=EDIT_STEPS)
    runs.compare("edited as stock", plain, one)
    runs.compare("kept", one, kept)
    runs.compare("kept by host", kept, runs.picture)


def of_class(host, runs):
    """The class that the host takes the model for; the model is built or loaded once."""
    alone = Runs(runs.key)
    alone.model, alone.graph = runs.model, {runs.model[0]: runs.graph[runs.model[0]]}
    alone.loaded("loaded")
    return alone.show(host)["loaded"]["class"]


@pytest.fixture(scope="module")
def outcome(host):
    """key -> what its prompt showed, or the sentence it was refused with; each run once."""
    version = host.client.get("/system_stats")["system"]["comfyui_version"]
    seen = {}

    def of(key):
        if key not in seen:
            runs = searched(key)
            try:
                assert of_class(host, runs) == MODELS[key].config
                seen[key] = runs.show(host)
            except ComfyError as error:
                seen[key] = str(error)
        if version != NEWEST and OLDER.search(str(seen[key])):
            pytest.skip(f"not in this ComfyUI: {seen[key]}")
        return seen[key]

    return of


def assert_sampled(key, seen):
    """Width 1 is the plain sampler bit for bit; a wider search is counted, finite and in shape."""
    assert isinstance(seen, dict), seen
    frames = MODELS[key].frames
    assert seen["plain"]["counts"]["rows"] == STEPS * frames
    assert_counted(seen["one"], STEPS, frames)
    if key in DIFFUSION:
        stock = seen["as stock"]["a"]
        assert stock["finite"] and seen["as stock"]["differ"] < 1e-4 * stock["largest"]
    assert_counted(seen["search"], 2 * STEPS if key in WHOLE else BUDGET, frames)
    one, search = seen["as plain"], seen["shaped"]
    assert one["differ"] == 0.0 and one["a"]["finite"]
    assert search["b"]["finite"] and search["b"]["shape"] == search["a"]["shape"]
    shape = search["b"]["shape"]
    assert seen["search"]["images"][0] == (shape[2] if len(shape) == 5 else frames)


def assert_edited(key, seen):
    """Where half a picture may change it does as by the stock sampler; the other half stays."""
    frames, budget = MODELS[key].frames, 2 * EDIT_STEPS if key in WHOLE else EDIT_BUDGET
    assert_counted(seen["one edit"], EDIT_STEPS, frames)
    assert_counted(seen["search edit"], budget, frames)
    assert seen["edited as stock"]["differ"] < 1e-3
    for found in (seen["kept"], seen["kept by search"]):
        assert found["left"] <= (ROUNDED if key in WHOLE else 0.0) and found["differ"] > 0.1
    assert seen["kept by host"]["differ"] < 1e-5  # into the model's space and back may round


@pytest.mark.parametrize("key", RUN)
def test_searched_as_it_is_sampled(outcome, key):
    seen = outcome(key)
    assert_sampled(key, seen)
    if key not in HOST_CANNOT_EDIT:
        assert_edited(key, seen)


def test_a_run_does_not_depend_on_those_before(host):
    """HiDream-O1 keeps what it computed of the text from call to call, which changes rounding."""
    runs = Runs("HiDream-O1")
    runs.run("before")
    runs.show(host)
    after = runs.run("after")
    runs.model = runs.node("ProbeTinyModel", key=runs.key, loaded=False, number=1)
    runs.compare("alike", after, runs.run("on another one"))
    assert runs.show(host)["alike"]["differ"] == 0.0


def test_noise_has_the_scale_of_the_model(host, outcome):
    """HiDream-O1's noise is 8 times as wide: that of births, and that of steps."""
    outcome("HiDream-O1")
    runs = Runs("HiDream-O1")
    runs.model = runs.node("ProbeSpread", model=runs.model, name="O1")
    runs.sampler = runs.ours(20.0, "linear")  # nothing but fresh noise is left after a step
    out = runs.run("search", budget=BUDGET, init_particles=2, finish_steps=1)
    runs.graph["spread"] = node("ProbeShowSpread", after=out, name="O1")
    shown = runs.show(host)
    born, child, *_ = shown["spread"]
    second = shown["search"]["report"]["sigmas"][1]
    assert born == pytest.approx([8.0, 8.0], rel=0.05)
    assert child == pytest.approx([8.0 * second] * len(child), rel=0.05)


def test_guidance_is_refused_where_noise_has_another_scale(host, outcome):
    outcome("HiDream-O1")
    runs = Runs("HiDream-O1")
    runs.graph[runs.sampler[0]]["inputs"] |= {
        "guidance": "x0", "guidance.strength": 1.0, "guidance.schedule": "relative"
    }  # fmt: skip
    runs.same = runs.bright
    refused(host, runs, "a model of standard normal noise: got a noise scale of 8, expected 1")


@pytest.mark.parametrize("key", HOST_CANNOT_EDIT)
def test_what_the_host_cannot_edit(host, key):
    runs = Runs(key)
    stock_edit(runs)
    with pytest.raises(ComfyError, match="channels|shapes|size of tensor"):
        runs.show(host)


@pytest.mark.parametrize("key", REFUSED)
def test_refused_in_one_sentence(outcome, key):
    sentence = outcome(key)
    assert isinstance(sentence, str) and "\n" not in sentence
    if key in NOT_FROM_NOISE:
        assert "a model that makes images from noise" in sentence and "Module." not in sentence
    else:
        cannot = ("got an audio model, expected a", "expected 4 dimensions")
        assert any(part in sentence for part in cannot)


def test_every_class_of_the_host_is_here(host, version):
    known = set(host.probe({"probe": node("ProbeTinyClasses")}))
    assert known == {tiny.config for tiny in MODELS.values()} | set(NOT_TRIED)


def row(key, seen, notes):
    """The model's line of the table; `notes` collects the sentences of refusals."""
    tiny = MODELS[key]
    shapes = tiny.parts or (tiny.latent,)
    latent = " + ".join("×".join(map(str, shape)) for shape in shapes)
    latent = f"{tiny.frames} frames of {latent}" if tiny.frames > 1 else latent
    if key in REFUSED:
        if seen not in notes:
            notes.append(seen)
        return [key, tiny.config, "", latent, f"refused ({notes.index(seen) + 1})", ""]
    assert_sampled(key, seen)
    edited = "not in ComfyUI"
    if key not in HOST_CANNOT_EDIT:
        assert_edited(key, seen)
        edited = "works"
    works = "works, whole trajectories" if key in WHOLE else "works"
    return [key, tiny.config, "file" if key in STOCK else "class", latent, works, edited]


def test_the_table_is_what_was_seen(outcome, version, generated):
    notes: list[str] = []
    rows = [row(key, outcome(key), notes) for key in MODELS]
    heads = ["model", "class", "from", "latent", "search", "masked picture, denoise 0.6"]
    reasons = "\n".join(f"{i}. {sentence}" for i, sentence in enumerate(notes, 1))
    untried = "\n".join(f"- `{name}`: {why}." for name, why in NOT_TRIED.items())
    dropped = {key: ", ".join(f"`{part}`" for part in tiny.drop) for key, tiny in MODELS.items()}
    without = "\n".join(f"- {key}: {parts}." for key, parts in dropped.items() if parts)
    assert {key for keys in WHY for key in keys.split(", ")} == REFUSED.keys()
    whys = "\n".join(f"- {keys}: {why}." for keys, why in WHY.items())
    lists = {"Refused with:": reasons, "Why these are refused:": whys, DROPPED: without}
    lists |= {"Not tried:": untried}
    parts = [table(heads, rows), *(part for item in lists.items() for part in item)]
    generated("docs/models.md", "\n\n".join(parts), section="models")
