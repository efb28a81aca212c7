"""SVD and SV3D, whose latent holds the frames of one video as a batch.

test_models.py compares them with the plain sampler, masks included.
"""

import json

import pytest
from pack.tools.client import ComfyError

from .helpers.graphs import node
from .helpers.methods import METHODS
from .helpers.runs import Runs, assert_counted, refused
from .helpers.scripts import run_script
from .helpers.wiring import (
    XL,
    area,
    cfg,
    from_batch,
    high_half,
    low_half,
    masked,
    perturbed,
    picture,
    rescaled,
    soft_mask,
    some_frames,
    together,
)
from .tiny import MODELS

SVD = "SVD"
FRAMES = MODELS[SVD].frames
STEPS = 3
SIZE = 4 * 8 * 8  # of a frame's latent
WIDE = {"budget": 20, "init_particles": 2, "finish_steps": 1}


def by_frame(runs):
    """The CFG that the stock workflows have: from 1 at the first frame to 2 at the last."""
    cfg(runs)
    runs.model = runs.node("VideoLinearCFGGuidance", model=runs.model, min_cfg=1.0)


def control_by_frame(runs):
    """A ControlNet with a picture of its own for each frame."""
    grey = [runs.node("SolidMask", value=i / FRAMES, width=64, height=64) for i in range(FRAMES)]
    image = runs.node("MaskToImage", mask=together(runs, *grey))
    runs.text = runs.node(
        "ControlNetApplyAdvanced",
        positive=runs.text, negative=runs.text, image=image, strength=1.0, start_percent=0.0,
        end_percent=1.0, control_net=runs.node("ProbeControl", key="SD 2"),
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_every_method_searches_and_replays(host, method):
    runs = Runs(SVD)
    by_frame(runs)
    runs.sigmas = runs.schedule(4, scheduler="karras")
    common = {"budget": 40, "reward": runs.bright, "finish_steps": 1}
    runs.particles("best", method, **METHODS[method] | common)
    shown = runs.show(host)["best"]
    report = shown["report"]
    assert shown["shape"] == [FRAMES, 4, 8, 8] and shown["images"][0] == FRAMES
    assert report["spent"]["nfe"] * FRAMES == shown["counts"]["rows"] <= 40 * FRAMES
    assert report["spent"]["network_calls"] == shown["counts"]["calls"]
    assert "check_nfe" not in report["spent"] and report["spent"]["micro_batch"] == 1
    assert report["spent"]["frames"] == report["spent"]["decodes"] * FRAMES
    assert len({row["reward"] for row in report["trace"]}) > 2
    runs.run("again", **common, replay=json.dumps(report))
    again = runs.show(host)["again"]
    assert again["latent"] == shown["latent"] and not again["report"].get("warnings")


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_2m_sde"])
@pytest.mark.parametrize(
    "wire",
    [masked, picture, some_frames, cfg, by_frame, area],
    ids=["mask", "video", "mask by frame", "CFG", "CFG by frame", "area"],
)
def test_the_first_particle_is_the_hosts_own_run(host, wire, sampler):
    runs = Runs(SVD)
    wire(runs)
    runs.sampler = runs.node("KSamplerSelect", sampler_name=sampler)
    plain = runs.run("plain")
    budget = STEPS * (1 if wire in (masked, picture, some_frames) else 2)
    runs.compare("same", plain, runs.particles("one", "best_of_n", budget=budget))
    runs.particles("many", "regional", budget=4 * budget, reward=runs.bright)
    shown = runs.show(host)
    assert shown["same"]["differ"] < 1e-4 * max(1.0, shown["same"]["a"]["largest"])
    assert shown["plain"]["counts"]["rows"] == budget * FRAMES
    assert_counted(shown["one"], budget, FRAMES)
    assert_counted(shown["many"], 4 * budget, FRAMES)
    assert len({row["reward"] for row in shown["many"]["report"]["trace"]}) == 4


@pytest.mark.parametrize(
    ("wire", "cost"),
    [
        (control_by_frame, 1),
        (high_half, 1),
        (low_half, 1),
        (from_batch, 1),
        (soft_mask, 1),
        (area, 2),
        (rescaled, 2),
        (perturbed, 3),
    ],
)
def test_width_1_is_our_plain_sampler(host, wire, cost):
    runs = Runs(SVD)
    bare = runs.run("bare")
    wire(runs)
    plain = runs.run("plain")
    runs.compare("acts", bare, plain)
    runs.compare("same", plain, runs.run("one", budget=STEPS * cost))
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0 < shown["acts"].get("differ", 1.0)  # of another length
    assert_counted(shown["one"], STEPS * cost, 1 if wire is from_batch else FRAMES)


@pytest.mark.parametrize("name", ["EasyCache", "LazyCache"])
def test_a_step_cache_skips_whole_videos(host, name):
    """One trajectory is walked at a time, so the caches of ComfyUI may stay on."""
    runs = Runs(SVD)
    runs.sampler, runs.sigmas = runs.stock, runs.schedule(6)
    settings = {"reuse_threshold": 3.0, "start_percent": 0.15, "end_percent": 0.95}
    runs.model = runs.node(name, model=runs.model, verbose=False, **settings)
    runs.particles("many", "best_of_n", budget=24, reward=runs.bright)
    shown = runs.show(host)["many"]
    spent = shown["report"]["spent"]
    skipped = 0 if name == "LazyCache" else spent["skipped_nfe"]  # no call comes to the counter
    assert shown["counts"]["rows"] == FRAMES * (spent["nfe"] + skipped)
    assert spent["skipped_nfe"] > 0 and spent["nfe"] + spent["skipped_nfe"] >= 6 * 4


@pytest.mark.parametrize("name", ["VideoLinearCFGGuidance", "VideoTriangleCFGGuidance"])
def test_cfg_by_frame_counts_the_frames_of_one_video(host, name):
    """Its function is the host's own, so no call tests it."""
    runs = Runs(SVD)
    cfg(runs)
    even = runs.run("even")
    runs.model = runs.node(name, model=runs.model, min_cfg=1.0)
    plain = runs.run("plain")
    runs.compare("same", plain, runs.run("one", budget=2 * STEPS))
    runs.compare("acts", even, plain)
    runs.run("search", reward=runs.bright, **WIDE)
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0 < shown["acts"]["differ"]
    assert_counted(shown["one"], 2 * STEPS, FRAMES)
    assert_counted(shown["search"], 20, FRAMES)


def test_cfg_by_frame_on_images_takes_them_one_by_one(host):
    """Several in a call would each have another CFG."""
    runs = Runs(XL)
    by_frame(runs)
    runs.compare("same", runs.run("plain"), runs.run("one", budget=2 * STEPS))
    runs.run("search", reward=runs.bright, **WIDE)
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0
    assert_counted(shown["search"], 20)
    assert shown["search"]["report"]["spent"]["micro_batch"] == 1


@pytest.mark.parametrize("method", ["rbf", "svdd", "regional"])
def test_a_mask_keeps_a_frame(host, method):
    runs = Runs(SVD)
    some_frames(runs)
    runs.sigmas = runs.schedule(STEPS, denoise=0.6)
    settings = METHODS[method] | {"budget": 16, "reward": runs.bright}
    runs.compare("kept", runs.kept(), runs.particles("best", method, **settings))
    runs.graph["stays"] = node("ProbeReport", latent=runs.kept(), name=runs.own)
    shown = runs.show(host)
    latent, kept = (shown[name]["latent"] for name in ("best", "stays"))
    assert latent[:SIZE] == kept[:SIZE] and shown["kept"]["differ"] > 0.1
    for frame in range(1, FRAMES):
        place = slice(frame * SIZE, (frame + 1) * SIZE)
        assert latent[place] != kept[place]


def test_several_videos_are_returned_frame_after_frame(host):
    runs = Runs(SVD)
    runs.run("search", **WIDE | {"top_k": 2, "reward": runs.bright})
    shown = runs.show(host)["search"]
    assert shown["images"][0] == 2 * FRAMES and len(shown["report"]["top"]) == 2
    assert shown["shape"][0] == FRAMES


def test_guidance_goes_through_the_frames(host):
    runs = Runs(SVD)
    plain = runs.run("plain", budget=STEPS, reward=runs.bright)
    runs.sampler = runs.ours(1.0, "vp")
    runs.graph[runs.sampler[0]]["inputs"] |= {
        "guidance": "dps", "guidance.strength": 0.5, "guidance.schedule": "relative"
    }  # fmt: skip
    runs.compare("moved", plain, runs.run("guided", budget=2 * STEPS, reward=runs.bright))
    shown = runs.show(host)
    assert shown["moved"]["b"]["finite"] and shown["moved"]["differ"] > 0.0
    assert shown["guided"]["report"]["spent"]["gradients"] > 0


def test_its_own_model_finishes(host):
    runs = Runs(SVD)
    again = {"lookahead_model": runs.model, "finish_model": runs.model}
    wide = WIDE | {"budget": 40, "lookahead": 1, "finish_steps": 2}
    runs.run("search", reward=runs.bright, **wide | again)
    shown = runs.show(host)["search"]
    spent = shown["report"]["spent"]
    by_model = spent["nfe_by_model"]
    assert by_model["model"] * FRAMES == shown["counts"]["rows"]  # the others have no counter
    assert by_model.keys() == {"model", *again} and all(by_model.values())
    assert sum(by_model.values()) == spent["nfe"] <= 40


def test_a_model_of_images_cannot_finish_a_video(host):
    runs = Runs(SVD)
    second = runs.node("ProbeTinyModel", key="SD 2", loaded=False)
    runs.run("one", budget=20, finish_steps=1, finish_model=second)
    with pytest.raises(ComfyError, match="takes another conditioning .* got UNet .*, expected SVD"):
        runs.show(host)


def test_a_video_of_another_model_is_refused(host):
    runs = Runs(SVD)
    runs.latent = runs.node("EmptyHunyuanLatentVideo", width=64, height=64, length=9, batch_size=1)
    refused(host, runs, "latent_image has the wrong shape: got (1, 16, 3, 8, 8), expected 4")


@pytest.fixture(scope="module")
def told(comfyui):
    return run_script("frames.py", comfyui, timeout=900)


@pytest.mark.parametrize("kind", ["SVD", "SV3D"])
def test_it_finds_what_the_stock_workflow_finds(told, kind):
    """The condition and the latent come from the host's node, the plain video from KSampler."""
    seen = told[kind]
    assert seen["shape"] == [5, 4, 8, 8] and seen["off"] < 1e-4
    assert seen["rows"] == 5 * seen["nfe"] > 0


@pytest.mark.parametrize("kind", ["SVD", "SV3D"])
def test_a_decoder_gets_the_frames_of_one_video(told, kind):
    """As VAEDecode does: SVD's decoder mixes the rows of a call."""
    seen = told[kind]
    assert seen["decoded"] == [5] and seen["images"] == [5, 64, 64, 3]
    assert seen["pictures_off"] < 1e-5 and seen["reward_off"] < 1e-5


@pytest.mark.parametrize("kind", ["SVD", "SV3D"])
def test_search_ksampler_takes_it(told, kind):
    assert told[kind]["ksampler"] == {"shape": [5, 4, 8, 8], "rows": True, "better": True}


def test_two_devices_share_the_conditions_of_a_video(told):
    """The host splits these. Its frames stay together."""
    if told["devices"] is None:
        pytest.skip("this ComfyUI has no MultiGPU CFG Split")
    assert told["devices"]["off"] < 1e-4
    assert told["devices"]["rows"] == [5] * told["devices"]["nfe"]


def test_fewer_or_more_frames(told):
    assert told["lengths"] == {"1": [1, 4, 8, 8], "14": [14, 4, 8, 8]}
