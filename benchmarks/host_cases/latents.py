"""What is wired around a search: latents, conditions, guiders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...tools.probing.graphs import node
from ...tools.probing.runs import Link, Runs, assert_counted, refused
from ...tools.probing.server import Host
from ...tools.probing.wiring import (
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
from .case import Case, Row

Wire = Callable[[Runs], object]
FILES = {"files": node("ProbeTinyExtras")}  # a LoRA and a ControlNet
# What it is: the model, how it is wired, network rows a particle costs.
KEPT: dict[str, tuple[str, Wire, int]] = {
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
}


def keeps(host: Host, what: str) -> Row:
    """A search of width 1 is the plain sampler, bit for bit; a wider one gives its like."""
    key, wire, rows = KEPT[what]
    host.run(FILES)
    runs = Runs(key)
    bare = runs.run("bare")
    wire(runs)
    plain, narrow = runs.run("plain"), runs.run("one", budget=STEPS * rows)
    wide = {"init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.compare("as plain", plain, narrow)
    runs.compare("acts", bare, plain)
    runs.compare("shaped", plain, runs.run("search", budget=8 * rows, **wide))
    shown = runs.show(host)
    assert shown["plain"]["counts"]["rows"] == STEPS * rows
    assert_counted(shown["one"], STEPS * rows)
    assert_counted(shown["search"], 8 * rows)
    assert shown["as plain"]["differ"] == 0.0 < shown["acts"]["differ"]
    shaped = shown["shaped"]
    assert shaped["b"]["finite"] and shaped["b"]["shape"] == shaped["a"]["shape"]
    return {"search": "works", "nfe": rows}


def assert_one_by_one(shown: dict, rows: int, pictures: int) -> None:
    """A search for each of two latents, whose results are those of the plain sampler.

    Args:
        shown: what the probes show.
        rows: network rows of one search.
        pictures: those of one result.
    """
    assert shown["as plain"]["differ"] < 1e-4 and shown["as plain"]["b"]["shape"][0] == 2
    first, second = shown["one"]["report"]["batch"]
    assert first["spent"]["nfe"] == second["spent"]["nfe"] == rows
    assert shown["one"]["counts"]["rows"] == 2 * rows
    assert shown["one"]["images"][0] == 2 * pictures
    middle = len(shown["one"]["latent"]) // 2
    assert shown["one"]["latent"][:middle] != shown["one"]["latent"][middle:]


ONE_BY_ONE = {"search": "works, one search each", "nfe": 1}


def batch(host: Host, key: str) -> Row:
    """As the plain sampler samples it, but for the rounding of a call with other rows."""
    runs = Runs(key)
    runs.latent = runs.node("RepeatLatentBatch", samples=runs.empty, amount=2)
    runs.compare("as plain", runs.run("plain"), runs.run("one", budget=STEPS))
    assert_one_by_one(runs.show(host), STEPS, 3 if key == CLIP else 1)
    return ONE_BY_ONE


def compare_kept(runs: Runs, both: Link) -> None:
    """Each of the two against what its mask keeps."""
    for i in range(2):
        mine = runs.node("LatentFromBatch", samples=both, batch_index=i, length=1)
        runs.compare(f"kept {i}", mine, runs.kept())


def masked_batch(host: Host) -> Row:
    """Each picture of a batch has its own mask."""
    runs = Runs(IMAGE)
    both = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    each = together(runs, masks(runs, 1.0), half(runs))
    runs.latent = runs.node("SetLatentNoiseMask", samples=both, mask=each)
    narrow = runs.run("one", budget=STEPS)
    runs.compare("as plain", runs.run("plain"), narrow)
    compare_kept(runs, narrow)
    shown = runs.show(host)
    assert_one_by_one(shown, STEPS, 1)
    assert shown["kept 1"]["left"] == 0.0 < shown["kept 1"]["differ"]
    assert shown["kept 0"]["left"] > 0.1
    return ONE_BY_ONE


MASKED_CLIPS = {  # what of the first and of the second clip is kept
    "a noise mask": ("left", "left"),
    "a noise mask by frame": ("first", "first"),
    "a noise mask each": (None, "left"),
}


def masked_clips(host: Host, what: str) -> Row:
    """One mask is for both clips, and its first axis is time; else each has its own."""
    runs = Runs(CLIP)
    both = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    frames = what == "a noise mask by frame"
    mask = masks(runs, 0.0, 1.0, 1.0) if frames else half(runs)
    runs.latent = runs.node("SetLatentNoiseMask", samples=both, mask=mask)
    if what == "a noise mask each":
        runs.latent = runs.node("ProbeMaskEach", latent=both)
    narrow = runs.run("one", budget=STEPS)
    runs.compare("as plain", runs.run("plain"), narrow)
    compare_kept(runs, narrow)
    shown = runs.show(host)
    assert_one_by_one(shown, STEPS, 3)
    for i, part in enumerate(MASKED_CLIPS[what]):
        kept = shown[f"kept {i}"]
        assert kept["differ"] > 0.1 and (part is None or kept[part] == 0.0)
    assert what != "a noise mask each" or shown["kept 0"]["left"] > 0.1
    return ONE_BY_ONE


def turns(host: Host) -> Row:
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
    return {"search": "works", "nfe": "1, reckoned as 2"}


def two_references(runs: Runs) -> None:
    runs.picture = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    reference(runs)


SEVERAL = "is for several images: got 2, expected 1"
REFUSED: dict[str, tuple[Wire, str]] = {
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


def refuses(host: Host, what: str) -> Row:
    """Refused in one sentence."""
    wire, sentence = REFUSED[what]
    host.run(FILES)
    runs = Runs(IMAGE)
    wire(runs)
    return {"search": f"refused: {refused(host, runs, sentence)}", "nfe": ""}


CASES = [
    *(Case(what, key, partial(keeps, what=what)) for what, (key, _, _) in KEPT.items()),
    Case("batch", IMAGE, partial(batch, key=IMAGE)),
    Case("batch of clips", CLIP, partial(batch, key=CLIP)),
    Case("batch, a noise mask each", IMAGE, masked_batch),
    *(
        Case(f"batch of clips, {what}", CLIP, partial(masked_clips, what=what))
        for what in MASKED_CLIPS
    ),
    Case("timestep ranges that take turns", IMAGE, turns),
    *(Case(what, IMAGE, partial(refuses, what=what)) for what in REFUSED),
]
