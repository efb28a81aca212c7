"""What is wired around a search keeps working, or is refused: latents, conditions, guiders.

Each row of a table in docs/models.md is the result of one of these tests.
"""

import pytest
from pack.tools.probing.graphs import node
from pack.tools.probing.runs import Runs, assert_counted, refused
from pack.tools.probing.wiring import (
    CLIP,
    EXPLODING,
    IMAGE,
    ONE_FIVE,
    STEPS,
    XL,
    area,
    area_by_mask,
    cfg,
    combine,
    control,
    dual_cfg,
    empty_mask,
    empty_mask_of_two,
    fill,
    first_frame,
    for_two,
    from_batch,
    guidance,
    half,
    high_half,
    hook,
    karras,
    lora,
    low_half,
    masked,
    masks,
    perturbed,
    picture,
    redux,
    reference,
    rescaled,
    soft_mask,
    some_frames,
    together,
    zero_snr,
    zeroed,
)

from .helpers.model_tables import table_length

SECTION = "latents"
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
    "sigmas up to 80, KarrasScheduler": (EXPLODING, karras, 1),
    "sigmas up to 80, picture, denoise 0.6": (EXPLODING, picture, 1),
    "sigmas up to 80, low half of split sigmas": (EXPLODING, low_half, 1),
    "sigmas up to 80, high half of split sigmas": (EXPLODING, high_half, 1),
    "picture, denoise 0.6, diffusion": (XL, picture, 1),
    "noise mask, diffusion": (XL, masked, 1),
    "noise mask, DifferentialDiffusion, diffusion": (XL, soft_mask, 1),
    "inpaint conditioning, diffusion": ("SD 1.5 inpainting", fill, 1),
    "low half of split sigmas, diffusion": (XL, low_half, 1),
    "high half of split sigmas, diffusion": (XL, high_half, 1),
    "ControlNet, diffusion": (ONE_FIVE, control, 1),
    "LoRA, diffusion": (XL, lora, 1),
    "CFGGuider, diffusion": (XL, cfg, 2),
    "RescaleCFG": (XL, rescaled, 2),
    "PerturbedAttentionGuidance": (XL, perturbed, 3),
    "ModelSamplingDiscrete, v-prediction, zero terminal SNR": (XL, zero_snr, 1),
}


@pytest.fixture(scope="module")
def files(host):
    """A LoRA and a ControlNet."""
    host.run({"files": {"class_type": "ProbeTinyExtras", "inputs": {}}})


@pytest.mark.parametrize("what", KEPT)
def test_a_search_keeps(host, files, table_row, what):
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
    table_row(what, key, "works", rows)


MASKS = {
    "picture": (IMAGE, masked, "left"),
    "picture, DifferentialDiffusion": (IMAGE, soft_mask, "left"),
    "picture, sigmas up to 80": (EXPLODING, masked, "left"),
    "clip": (CLIP, masked, "left"),
    "clip by frame": (CLIP, some_frames, "first"),
}


@pytest.mark.parametrize("what", MASKS)
def test_a_mask_keeps_to_the_last_bit(host, what):
    """What the host itself gives back of the picture, whatever a search did to the rest."""
    key, wire, part = MASKS[what]
    runs = Runs(key)
    wire(runs)
    wide = {"init_particles": 2, "reward": runs.bright, "top_k": 2}
    found = {
        "one": runs.run("one", budget=STEPS),
        "finished": runs.run("finished", budget=12, finish_steps=2, **wide),
        "ahead": runs.run("ahead", budget=16, lookahead=1, **wide),
    }
    kept = runs.kept()
    for name, out in found.items():
        runs.compare(f"kept {name}", out, kept)
    shown = runs.show(host)
    for name in found:
        off = shown[f"kept {name}"]
        assert off[part] == 0.0 and off["differ"] > 0.1, name


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


def assert_one_by_one(shown, rows, pictures):
    """A search for each of two latents, whose results are those of the plain sampler."""
    assert shown["as plain"]["differ"] < 1e-4 and shown["as plain"]["b"]["shape"][0] == 2
    first, second = shown["one"]["report"]["batch"]
    assert first["spent"]["nfe"] == second["spent"]["nfe"] == rows
    assert shown["one"]["counts"]["rows"] == 2 * rows
    assert shown["one"]["images"][0] == 2 * pictures
    half = len(shown["one"]["latent"]) // 2
    assert shown["one"]["latent"][:half] != shown["one"]["latent"][half:]


@pytest.mark.parametrize("key, pictures", [(IMAGE, 1), (CLIP, 3)])
def test_a_batch_is_searched_one_by_one(host, table_row, key, pictures):
    """As the plain sampler samples it, but for the rounding of a call with other rows."""
    runs = Runs(key)
    runs.latent = runs.node("RepeatLatentBatch", samples=runs.empty, amount=2)
    runs.compare("as plain", runs.run("plain"), runs.run("one", budget=STEPS))
    assert_one_by_one(runs.show(host), STEPS, pictures)
    what = "batch" if key == IMAGE else "batch of clips"
    table_row(what, key, "works, one search each", 1)


def compare_kept(runs, both):
    """Each of the two against what its mask keeps."""
    for i in range(2):
        mine = runs.node("LatentFromBatch", samples=both, batch_index=i, length=1)
        runs.compare(f"kept {i}", mine, runs.kept())


def test_each_of_a_batch_has_its_own_mask(host, table_row):
    runs = Runs(IMAGE)
    both = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    each = together(runs, masks(runs, 1.0), half(runs))
    runs.latent = runs.node("SetLatentNoiseMask", samples=both, mask=each)
    one = runs.run("one", budget=STEPS)
    runs.compare("as plain", runs.run("plain"), one)
    compare_kept(runs, one)
    shown = runs.show(host)
    assert_one_by_one(shown, STEPS, 1)
    assert shown["kept 1"]["left"] == 0.0 < shown["kept 1"]["differ"]
    assert shown["kept 0"]["left"] > 0.1
    table_row("batch, a noise mask each", IMAGE, "works, one search each", 1)


MASKED_CLIPS = {  # what of the first and of the second clip is kept
    "a noise mask": ("left", "left"),
    "a noise mask by frame": ("first", "first"),
    "a noise mask each": (None, "left"),
}


@pytest.mark.parametrize("what", MASKED_CLIPS)
def test_a_batch_of_masked_clips(host, table_row, what):
    """One mask is for both of them, and its first axis is time; else each has its own."""
    runs = Runs(CLIP)
    both = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    frames = what == "a noise mask by frame"
    mask = masks(runs, 0.0, 1.0, 1.0) if frames else half(runs)
    runs.latent = runs.node("SetLatentNoiseMask", samples=both, mask=mask)
    if what == "a noise mask each":
        runs.latent = runs.node("ProbeMaskEach", latent=both)
    one = runs.run("one", budget=STEPS)
    runs.compare("as plain", runs.run("plain"), one)
    compare_kept(runs, one)
    shown = runs.show(host)
    assert_one_by_one(shown, STEPS, 3)
    for i, part in enumerate(MASKED_CLIPS[what]):
        kept = shown[f"kept {i}"]
        assert kept["differ"] > 0.1 and (part is None or kept[part] == 0.0)
    assert what != "a noise mask each" or shown["kept 0"]["left"] > 0.1
    table_row(f"batch of clips, {what}", CLIP, "works, one search each", 1)


def test_conditions_that_take_turns_are_counted(host, table_row):
    """Two conditions, one at a time: cheaper than the two together that a budget is checked for."""
    runs = Runs(IMAGE)
    early, late = (
        runs.node("ConditioningSetTimestepRange", conditioning=text, start=start, end=start + 0.5)
        for start, text in ((0.0, runs.text), (0.5, zeroed(runs)))
    )
    runs.text = combine(runs, early, late)
    runs.run("search", budget=4 * STEPS, init_particles=2)
    spent = (shown := runs.show(host)["search"])["report"]["spent"]["nfe"]
    assert spent == shown["counts"]["rows"] <= 4 * STEPS
    table_row("timestep ranges that take turns", IMAGE, "works", "1, reckoned as 2")


def two_references(runs):
    runs.picture = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    reference(runs)


SEVERAL = "is for several images: got 2, expected 1"
REFUSED = {
    "ControlNet pictures of a batch": (lambda runs: control(runs, 2), "ControlNet's image"),
    "conditioning masks of a batch": (
        lambda runs: area_by_mask(runs, masks(runs, 1.0, 0.0)), f"(mask) {SEVERAL}",
    ),
    "texts of a batch": (for_two("cross_attn"), f"(cross_attn) {SEVERAL}"),
    "pooled texts of a batch": (for_two("pooled_output"), f"(pooled_output) {SEVERAL}"),
    "pictures to inpaint of a batch": (
        for_two("concat_latent_image"), f"(concat_latent_image) {SEVERAL}",
    ),
    "reference latents of a batch": (two_references, f"(reference_latents) {SEVERAL}"),
    "hook with keyframes": (lambda runs: hook(runs, 2), "got 2 keyframes, expected 1"),
    "noise mask of zeros": (empty_mask, "latent 1 of 1: got no value above 0"),
    "noise mask of zeros, of a batch": (empty_mask_of_two, "latent 2 of 2: got no value above 0"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused_in_one_sentence(host, files, table_row, what):
    wire, sentence = REFUSED[what]
    runs = Runs(IMAGE)
    wire(runs)
    table_row(what, IMAGE, f"refused: {refused(host, runs, sentence)}", "")


def test_one_keyframe_is_a_strength(host, files):
    runs = Runs(IMAGE)
    hook(runs, 1)
    runs.compare("as plain", runs.run("plain"), runs.run("one", budget=STEPS))
    assert runs.show(host)["as plain"]["differ"] == 0.0


def test_the_table_has_no_other_rows():
    assert table_length(SECTION) == len(KEPT) + len(REFUSED) + len(MASKED_CLIPS) + 4
