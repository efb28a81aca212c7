"""Diffusion models (SD 1.5, SDXL, PixArt): searches, sigmas, Search KSampler, and the law of steps.

test_models.py has every class of them, test_latents.py what is wired around them.
"""

import json

import pytest
from pack.samplers.interpolants.vp import VP
from pack.samplers.schedules import model_times
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node
from pack.tools.probing.runs import Runs, assert_counted, refused
from pack.tools.probing.wiring import IMAGE, ONE_FIVE, STEPS, XL, cfg

from .helpers.methods import METHODS

MOST = 14.614643  # the largest sigma of SD 1.5 and SDXL
STEPS_OF_LAW = 60


def ours(runs, steps, wired=True, spacing="exp", **more):
    """The sigmas of our scheduler, for the model where it is wired."""
    given = {"model": runs.model} if wired else {}
    return runs.node(
        "FlowSearchScheduler",
        steps=steps, spacing=spacing, interpolant="vp", denoise=1.0, **given, **more,
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_every_method_searches_and_replays(host, method):
    """With CFG, on the sigmas of our scheduler."""
    runs = Runs(XL)
    cfg(runs)
    runs.sigmas = ours(runs, 4)
    common = {"budget": 40, "reward": runs.bright, "finish_steps": 1}
    runs.particles("found", method, **METHODS[method] | common)
    shown = runs.show(host)["found"]
    report = shown["report"]
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= 40
    assert report["sigmas"][0] == pytest.approx(MOST / (1 + MOST), abs=1e-6)
    assert len({row["reward"] for row in report["trace"]}) > 2
    runs.run("again", **common, replay=json.dumps(report))
    assert runs.show(host)["again"]["latent"] == shown["latent"]


@pytest.mark.parametrize("guidance, kernel", [("x0", "eta"), ("dps", "euler_maruyama")])
def test_guidance_moves_the_steps(host, guidance, kernel):
    runs = Runs(ONE_FIVE)
    plain = runs.run("plain", budget=STEPS, reward=runs.bright)
    settings = {"guidance": guidance, "guidance.strength": 0.5, "guidance.schedule": "relative"}
    runs.sampler = runs.node(
        "FlowSearchVPSDESampler",
        interpolant="vp", diffusion="square", diffusion_norm=1.0, kernel=kernel, **settings,
    )  # fmt: skip
    runs.compare("moved", plain, runs.run("guided", budget=2 * STEPS, reward=runs.bright))
    shown = runs.show(host)
    assert shown["moved"]["b"]["finite"] and shown["moved"]["differ"] > 0.0


def test_an_image_in_the_attention(host):
    """As IP-Adapter puts it there. It is another pack's function, so a search tests it first."""
    runs = Runs(XL)
    bare = runs.run("bare")
    runs.model = runs.node("ProbeAdapter", model=runs.model)
    plain = runs.run("plain")
    runs.compare("as plain", plain, runs.run("one", budget=2 * STEPS))
    runs.compare("acts", bare, plain)
    wide = {"budget": 20, "init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.run("search", **wide)
    shown = runs.show(host)
    assert shown["as plain"]["differ"] == 0.0 < shown["acts"]["differ"]
    assert_counted(shown["one"], 2 * STEPS)
    assert_counted(shown["search"], 20)
    assert shown["one"]["report"]["spent"]["check_nfe"] == STEPS


KSAMPLERS = {
    "SDXL, karras": (XL, {"scheduler": "karras"}),
    "SDXL, normal, euler": (XL, {"scheduler": "normal", "sampler_name": "euler"}),
    "SDXL, a sampler of the host": (XL, {"scheduler": "karras", "sampler_name": "dpmpp_2m_sde"}),
    "SD 1.5, sgm_uniform": (ONE_FIVE, {"scheduler": "sgm_uniform"}),
    "SD 1.5, denoise": (ONE_FIVE, {"scheduler": "beta", "denoise": 0.5}),
    "PixArt": ("PixArt alpha", {"scheduler": "simple"}),
}


@pytest.mark.parametrize("name", KSAMPLERS)
def test_search_ksampler(host, name):
    """As KSampler it takes the model, its conditions and names; auto chooses the method."""
    key, settings = KSAMPLERS[name]
    runs = Runs(key)
    counted = runs.node("ProbeCountNetwork", model=runs.model, name=runs.mark)
    out = runs.node(
        "FlowSearchKSampler",
        **{
            "model": counted, "positive": runs.text, "negative": runs.text, "seed": 7, "steps": 4,
            "cfg": 2.0, "sampler_name": "vp_sde", "denoise": 1.0, "effort": 6, "vae": runs.vae,
            "latent_image": runs.picture if "denoise" in settings else runs.latent,
            "reward": runs.bright, "prompt": "a cat",
        } | settings,
    )  # fmt: skip
    shown = {"images": [out[0], 1], "report": [out[0], 2]}
    runs.graph["found"] = node("ProbeReport", latent=out, name=runs.mark, **shown)
    shown = runs.show(host)["found"]
    assert shown["report"]["spent"]["nfe"] == shown["counts"]["rows"] <= 6 * 4 * 2
    assert len(shown["report"]["trace"]) > 3


@pytest.mark.parametrize(
    "key, spacing, noisiest",
    [
        (XL, "exp", MOST / (1 + MOST)),
        ("SDXL v-prediction, zero terminal SNR", "linear", 1.0),  # beyond the noisy end of vp
        (IMAGE, "exp", 1.0),
    ],
)
def test_our_sigmas_fit_the_model(host, key, spacing, noisiest):
    """From the model's own largest sigma down; a flow model's are those without it."""
    runs = Runs(key)
    runs.sigmas = ours(runs, STEPS, spacing=spacing)
    runs.run("one", budget=STEPS)
    shown = runs.show(host)["one"]
    assert_counted(shown, STEPS)
    expected = model_times(STEPS, spacing, VP(), 1.0, noisiest)
    assert shown["report"]["sigmas"] == pytest.approx(expected, abs=1e-6)


def test_sigmas_of_a_flow_model_are_refused_alone_too(host):
    """The sampler by itself says it as the search does: test_sigmas.py has that."""
    runs = Runs(XL)
    runs.sigmas = ours(runs, STEPS, wired=False)
    text = refused(host, runs, "The sigmas start too low for an empty latent: got 0.9935, expected")
    alone = Runs(XL)
    alone.sigmas = ours(alone, STEPS, wired=False)
    alone.run("plain")
    with pytest.raises(ComfyError) as caught:
        alone.show(host)
    assert str(caught.value) == text


LAWS = [("eps", kernel) for kernel in ("euler_maruyama", "eta", "glass")]
LAWS += [(kind, "eta") for kind in (
    "v", "v, zero terminal SNR", "edm", "v, edm", "eps, cascade", "flow",
)]  # fmt: skip


@pytest.mark.parametrize("kind, kernel", LAWS)
def test_random_steps_keep_the_law(host, kind, kernel):
    """On a mixture known exactly, seen through each parametrisation of the host.

    Args:
        kind: of the host's model sampling.
        kernel: of our sampler.
    """
    model = ["model", 0]
    graph = {
        "model": node("ProbeMixture", kind=kind),
        "noise": node("RandomNoise", noise_seed=5),
        "guider": node("BasicGuider", model=model, conditioning=["model", 1]),
        "sampler": node(
            "FlowSearchVPSDESampler",
            interpolant="vp", diffusion="square", diffusion_norm=3.0, kernel=kernel, glass_steps=3,
        ),
        "sigmas": node(
            "FlowSearchScheduler",
            steps=STEPS_OF_LAW, spacing="linear", interpolant="vp", denoise=1.0, model=model,
        ),
        "latent": node("EmptyLatentImage", width=512, height=512, batch_size=1),
        "run": node(
            "SamplerCustomAdvanced",
            noise=["noise", 0], guider=["guider", 0], sampler=["sampler", 0],
            sigmas=["sigmas", 0], latent_image=["latent", 0],
        ),
        "probe": node("ProbeLaw", latent=["run", 0]),
    }  # fmt: skip
    shown = host.probe(graph)
    for (found, error), exact in zip(shown["law"], shown["exact"], strict=True):
        assert abs(found - exact) < 5 * error + 0.02, shown
