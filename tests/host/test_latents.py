"""What is wired around a search keeps working, or is refused: latents, conditions, guiders, sigmas.

The second section of benchmarks/models.md is the table of what these tests saw.
"""

import pytest
from pack.demo.client import ComfyError

from .graphs import node
from .page import check_section, table
from .runs import Runs, assert_counted
from .wiring import (
    CLIP,
    EXPLODING,
    IMAGE,
    STEPS,
    area,
    area_by_mask,
    cfg,
    combine,
    control,
    dual_cfg,
    fill,
    first_frame,
    from_batch,
    guidance,
    high_half,
    hook,
    lora,
    low_half,
    masked,
    masks,
    other,
    picture,
    redux,
    reference,
    soft_mask,
    some_frames,
)

# What it is: the model, how it is wired, network rows a candidate costs.
KEPT = {
    "picture, denoise 0.6": (IMAGE, picture, 1),
    "noise mask": (IMAGE, masked, 1),
    "noise mask, DifferentialDiffusion": (IMAGE, soft_mask, 1),
    "inpaint conditioning": ("FLUX.1 Fill", fill, 1),
    "one latent of a batch": (IMAGE, from_batch, 1),
    "low half of split sigmas": (IMAGE, low_half, 1),
    "high half of split sigmas": (IMAGE, high_half, 1),
    "reference latent (Kontext)": (IMAGE, reference, 1),
    "style model (Redux)": (IMAGE, redux, 1),
    "ControlNet": (IMAGE, control, 1),
    "LoRA": (IMAGE, lora, 1),
    "LoRA as a hook": (IMAGE, hook, 1),
    "Flux guidance": (IMAGE, guidance, 1),
    "CFGGuider": (IMAGE, cfg, 2),
    "DualCFGGuider": (IMAGE, dual_cfg, 3),
    "conditioning area": (IMAGE, area, 2),
    "conditioning mask": (IMAGE, area_by_mask, 2),
    "clip, denoise 0.6": (CLIP, picture, 1),
    "clip, noise mask": (CLIP, masked, 1),
    "clip, noise mask by frame": (CLIP, some_frames, 1),
    "clip, CFGGuider": (CLIP, cfg, 2),
    "clip, high half of split sigmas": (CLIP, high_half, 1),
    "clip from a first frame": ("Wan 2.1 I2V", first_frame, 1),
    "sigmas up to 80, picture, denoise 0.6": (EXPLODING, picture, 1),
    "sigmas up to 80, low half of split sigmas": (EXPLODING, low_half, 1),
    "sigmas up to 80, high half of split sigmas": (EXPLODING, high_half, 1),
}


@pytest.fixture(scope="module")
def files(host):
    """A LoRA and a ControlNet."""
    host.run({"files": {"class_type": "ProbeTinyExtras", "inputs": {}}})


@pytest.mark.parametrize("what", KEPT)
def test_a_search_keeps(host, files, seen, what):
    """A search of width 1 is the plain sampler, bit for bit; a wider one gives its like."""
    key, wire, rows = KEPT[what]
    runs = Runs(key)
    bare = runs.run("bare")
    wire(runs)
    plain, one = runs.run("plain"), runs.run("one", budget=STEPS * rows)
    wide = {"init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.compare("as plain", plain, one)
    runs.compare("acts", bare, plain)
    runs.compare("shaped", plain, runs.run("search", budget=8 * rows, **wide))
    shown = runs.show(host)
    assert shown["plain"]["counts"]["rows"] == STEPS * rows
    assert_counted(shown["one"], STEPS * rows)
    assert_counted(shown["search"], 8 * rows)
    assert shown["as plain"]["differ"] == 0.0 < shown["acts"]["differ"]
    found = shown["shaped"]
    assert found["b"]["finite"] and found["b"]["shape"] == found["a"]["shape"]
    seen[what] = [what, key, "works", rows]


@pytest.mark.parametrize("key", [IMAGE, EXPLODING])
def test_any_sampler_takes_over_a_search(host, key):
    """Searched down to a sigma with the steps of Euler, Euler from there: Euler all the way."""
    runs = Runs(key)
    whole, runs.sampler = runs.schedule(2 * STEPS), runs.ours(0.0, "linear")
    runs.sigmas = high = runs.node("SplitSigmas", sigmas=whole, step=STEPS)
    one = runs.run("one", budget=STEPS)
    wide = runs.run("search", budget=12, init_particles=3, finish_steps=2, reward=runs.bright)
    runs.sampler, runs.sigmas = runs.stock, whole
    stock = runs.run("stock")
    runs.noise, runs.sigmas, runs.latent = runs.node("DisableNoise"), [high[0], 1], one
    rest = runs.run("rest")
    runs.latent = wide
    runs.compare("wide", runs.run("rest of wide"), rest)
    runs.compare("as one", rest, stock)
    shown = runs.show(host)
    assert shown["as one"]["differ"] < 1e-3 and shown["wide"]["a"]["finite"]
    assert_counted(shown["search"], 12)
    report = shown["search"]["report"]
    last = report["trace"][-1]
    assert last["kind"] == "finish" and last["t"] == report["sigmas"][-1] > 0.0


def test_without_noise_all_begin_at_the_latent(host):
    """What another sampler left has its noise already: no birth may add more."""
    runs = Runs(IMAGE)
    low_half(runs)
    runs.model = runs.node("ProbeSpread", model=runs.model, name="low half")
    out = runs.run("search", budget=8, init_particles=3, finish_steps=1)
    runs.graph["spread"] = node("ProbeShowSpread", after=out, name="low half")
    born, *_ = runs.show(host)["spread"]
    assert len(born) == 3 and len(set(born)) == 1


@pytest.mark.parametrize("key, shape", [("LTX-Video", [6, 8, 8]), (CLIP, [12, 32, 32])])
def test_an_empty_clip_has_the_models_own_size(host, comfyui, key, shape):
    """As the plain sampler makes it of one that was made for other ratios."""
    if "downscale_ratio_temporal" not in (comfyui / "comfy" / "sample.py").read_text("utf-8"):
        pytest.skip("this ComfyUI does not fix the ratios of clips")
    runs = Runs(key)
    runs.latent = runs.node("ProbeRatios", latent=runs.empty, spacial=64, temporal=16)
    runs.compare("shaped", runs.run("plain"), runs.run("one", budget=STEPS))
    shaped = runs.show(host)["shaped"]
    assert shaped["b"]["shape"][2:] == shape and shaped["differ"] == 0.0


@pytest.fixture(scope="module")
def seen():
    """The rows of the table."""
    return {}


def test_a_batch_is_searched_one_by_one(host, seen):
    """As the plain sampler samples it, but for the rounding of a call with other rows."""
    runs = Runs(IMAGE)
    runs.latent = runs.node("RepeatLatentBatch", samples=runs.empty, amount=2)
    runs.compare("as plain", runs.run("plain"), runs.run("one", budget=STEPS))
    shown = runs.show(host)
    assert shown["as plain"]["differ"] < 1e-4 and shown["as plain"]["b"]["shape"][0] == 2
    first, second = shown["one"]["report"]["batch"]
    assert first["spent"]["nfe"] == second["spent"]["nfe"] == STEPS
    assert shown["one"]["counts"]["rows"] == 2 * STEPS and shown["one"]["images"][0] == 2
    half = len(shown["one"]["latent"]) // 2
    assert shown["one"]["latent"][:half] != shown["one"]["latent"][half:]
    seen["batch"] = ["batch", IMAGE, "works, one search each", 1]


def test_each_of_a_batch_has_its_own_mask(host, seen):
    runs = Runs(IMAGE)
    both = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    runs.latent = runs.node("SetLatentNoiseMask", samples=both, mask=masks(runs, 1.0, 0.0))
    one = runs.run("one", budget=STEPS)
    runs.compare("as plain", runs.run("plain"), one)
    for i in range(2):
        mine = runs.node("LatentFromBatch", samples=one, batch_index=i, length=1)
        runs.compare(f"kept {i}", mine, runs.picture)
    shown = runs.show(host)
    assert shown["as plain"]["differ"] < 1e-4
    assert shown["kept 1"]["differ"] < 1e-5 < 0.1 < shown["kept 0"]["differ"]
    seen["batch of masks"] = ["batch, a noise mask each", IMAGE, "works, one search each", 1]


def test_conditions_that_take_turns_are_counted(host, seen):
    """Two conditions, one at a time: cheaper than the two together that a budget is checked for."""
    runs = Runs(IMAGE)
    early, late = (
        runs.node("ConditioningSetTimestepRange", conditioning=text, start=start, end=start + 0.5)
        for start, text in ((0.0, runs.text), (0.5, other(runs)))
    )
    runs.text = combine(runs, early, late)
    runs.run("search", budget=4 * STEPS, init_particles=2)
    spent = (shown := runs.show(host)["search"])["report"]["spent"]["nfe"]
    assert spent == shown["counts"]["rows"] <= 4 * STEPS
    seen["turns"] = ["timestep ranges that take turns", IMAGE, "works", "1, reckoned as 2"]


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
def test_sigmas_of_every_scheduler(host, seen, key, shift):
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
    seen[f"schedulers {key}"] = ["every stock scheduler, own shift and patched", key, "works", 1]


def two_references(runs):
    runs.picture = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    reference(runs)


def our_sigmas(runs):
    runs.sigmas = runs.node(
        "FlowSearchScheduler", steps=STEPS, spacing="exp", interpolant="vp", denoise=1.0
    )


REFUSED = {
    "sigmas of another kind of flow": (our_sigmas, "wanted sigmas from about 80"),
    "ControlNet pictures of a batch": (lambda runs: control(runs, 2), "ControlNet's picture"),
    "conditioning masks of a batch": (
        lambda runs: area_by_mask(runs, masks(runs, 1.0, 0.0)), "(mask) made for 2 pictures",
    ),
    "reference latents of a batch": (two_references, "(reference_latents) made for 2 pictures"),
    "hook with keyframes": (lambda runs: hook(runs, 2), "A hook with 2 keyframes"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused_in_one_sentence(host, files, seen, what):
    wire, sentence = REFUSED[what]
    runs = Runs(key := EXPLODING if wire is our_sigmas else IMAGE)
    wire(runs)
    runs.run("one", budget=100)
    with pytest.raises(ComfyError) as caught:
        runs.show(host)
    text = str(caught.value)
    assert sentence in text and "wanted" in text and "\n" not in text
    seen[what] = [what, key, f"refused: {text}", ""]


def test_one_keyframe_is_a_strength(host, files):
    runs = Runs(IMAGE)
    hook(runs, 1)
    runs.compare("as plain", runs.run("plain"), runs.run("one", budget=STEPS))
    assert runs.show(host)["as plain"]["differ"] == 0.0


def test_the_table_is_what_was_seen(seen):
    wanted = len(KEPT) + len(REFUSED) + 6
    if len(seen) < wanted:
        pytest.skip(f"{wanted - len(seen)} of its rows were not run")
    order = [*KEPT, *(name for name in seen if name not in (*KEPT, *REFUSED)), *REFUSED]
    heads = ["what is wired", "model", "search", "NFE a candidate"]
    check_section("models.md", "## Latents and conditions", table(heads, [seen[n] for n in order]))
