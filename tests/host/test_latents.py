"""What is wired around a search keeps working, or is refused: latents, conditions, guiders."""

import pytest
from pack.benchmarks.host_cases import latents
from pack.tools.probing.graphs import node
from pack.tools.probing.runs import Runs
from pack.tools.probing.wiring import (
    CLIP,
    EXPLODING,
    IMAGE,
    STEPS,
    hook,
    low_half,
    masked,
    soft_mask,
    some_frames,
)


@pytest.mark.parametrize("case", latents.CASES, ids=lambda case: case.what)
def test_the_row_holds(host, same_row, case):
    same_row("latents", case.row(host))


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


def test_one_keyframe_is_a_strength(host):
    host.run(latents.FILES)
    runs = Runs(IMAGE)
    hook(runs, 1)
    runs.compare("as plain", runs.run("plain"), runs.run("one", budget=STEPS))
    assert runs.show(host)["as plain"]["differ"] == 0.0
