"""Run by test_frames.py in a process of its own: the host's nodes for SVD and SV3D around a search.

Argument: ComfyUI's folder. Prints one JSON object.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import host_in_process  # isort: skip # noqa: F401

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import comfy.model_management as mm
import server
import torch
from comfy.patcher_extension import WrappersMP
from comfy.samplers import CFGGuider, KSampler, sampler_object
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
from comfy_extras.nodes_stable3d import SV3D_Conditioning
from comfy_extras.nodes_video_model import SVD_img2vid_Conditioning, VideoLinearCFGGuidance
from pack.nodes.ksampler_search import SearchKSampler
from pack.nodes.rewards import loader
from pack.nodes.run.batch import run_batch
from pack.nodes.run.inputs import SearchInputs
from pack.nodes.run.plan import MethodChoice
from pack.nodes.run.planning import plan
from pack.samplers.search import SEARCHES
from probe import build

import nodes

server.PromptServer.instance = SimpleNamespace(send_sync=lambda *sent: None, client_id=None)
BRIGHT = loader.RewardModelLoader.execute({"reward": "brightness", "target": 1.0}).args[0]
FRAMES, STEPS, CFG, SEED = 5, 3, 2.5, 7
KEYS = {"SVD": "SVD", "SV3D": "SV3D p"}
MULTI = importlib.util.find_spec("comfy_extras.nodes_multigpu")  # None in older hosts
PICTURE = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(4))
rows, decoded = [], set()


class Look:
    """What the host's node asks of a CLIP_VISION."""

    def encode_image(self, image):
        embeds = torch.randn(1, 24, generator=torch.Generator().manual_seed(1))
        return SimpleNamespace(image_embeds=embeds)


class Decoder:
    """A decoder that mixes the rows of a call, as SVD's does over time."""

    def encode(self, pixels):
        small = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1), 8)
        return small.repeat(1, 2, 1, 1)[:, :4]

    def decode(self, latents):
        decoded.add(len(latents))
        mixed = latents.cumsum(0) / torch.arange(1, len(latents) + 1)[:, None, None, None]
        small = torch.sigmoid(mixed[:, :3]).movedim(1, -1)
        return small.repeat_interleave(8, 1).repeat_interleave(8, 2)


def conditioned(kind, frames=FRAMES):
    """Positive and negative condition and the latent of the host's node."""
    if kind == "SVD":
        inputs = 64, 64, frames, 127, 6, 0.0
        return SVD_img2vid_Conditioning().encode(Look(), PICTURE, Decoder(), *inputs)
    made = SV3D_Conditioning.execute(Look(), PICTURE, Decoder(), 64, 64, frames, 10.0)
    return made.args


def model_of(kind, devices=1):
    """A model whose network rows are counted, with the CFG of the stock workflow."""
    model = build.patcher(KEYS[kind])
    model.cached_patcher_init = build.patcher, (KEYS[kind],)
    if devices > 1:
        from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

        places = [torch.device(name) for name in ("cpu", "cpu:0")]
        mm.get_all_torch_devices = lambda exclude_current=False: places
        (model,) = MultiGPUCFGSplitNode.execute(model, devices).args

    def count(execute, x, *args, **kwargs):
        rows.append(len(x))
        return execute(x, *args, **kwargs)

    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "count", count)
    return VideoLinearCFGGuidance().patch(model, 1.0)[0]


def plain(kind, frames=FRAMES):
    """The video of the stock KSampler."""
    with torch.inference_mode():
        made = nodes.common_ksampler(
            model_of(kind), SEED, STEPS, CFG, "euler", "karras", *conditioned(kind, frames)
        )
    return made[0]["samples"]


def best_of(kind, count, frames=FRAMES, devices=1):
    """The latent, the images and the report of a search that draws some videos by Euler."""
    model, (positive, negative, latent) = model_of(kind, devices), conditioned(kind, frames)
    guider = CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(CFG)
    sigmas = KSampler(model, STEPS, torch.device("cpu"), "euler", "karras").sigmas
    inputs = SearchInputs(
        noise=Noise_RandomNoise(SEED), guider=guider, sampler=sampler_object("euler"),
        sigmas=sigmas, latent_image=latent, vae=Decoder(), reward=BRIGHT,
        budget=2 * STEPS * count, finish_steps=0, lookahead=0, journal=False,
    )  # fmt: skip
    with torch.inference_mode():
        planned = plan(inputs, MethodChoice("best_of_n", SEARCHES["best_of_n"](), {}))
        latent, images, report, _ = run_batch(planned, "")
    return latent["samples"], images, report


def ksampler(kind):
    """Search KSampler with the stock workflow's settings."""
    positive, negative, latent = conditioned(kind)
    rows.clear()
    with torch.inference_mode():
        out = SearchKSampler.execute(
            model_of(kind), positive, negative, seed=SEED, steps=STEPS, cfg=CFG, effort=6,
            sampler_name="vp_sde", scheduler="karras", latent_image=latent, denoise=1.0,
            vae=Decoder(), reward=BRIGHT, prompt="", compare=True,
        )  # fmt: skip
    samples, report = out.args[0]["samples"], json.loads(out.args[2])
    return {
        "shape": list(samples.shape),
        "rows": sum(rows) == FRAMES * report["spent"]["nfe"],
        "better": report["best"]["reward"] >= report["plain"]["reward"],
    }


def seen(kind):
    """A search beside the stock workflow."""
    stock = plain(kind)
    first, _, _ = best_of(kind, 1)
    rows.clear()
    decoded.clear()
    found, images, report = best_of(kind, 4)
    pictures = Decoder().decode(found)
    reward = float(BRIGHT.fresh().score(pictures[None], "")[0])
    return {
        "shape": list(found.shape),
        "off": float((stock - first).abs().max() / stock.abs().max()),
        "nfe": report["spent"]["nfe"],
        "rows": sum(rows),
        "decoded": sorted(decoded),
        "images": list(images.shape),
        "pictures_off": float((pictures - images).abs().max()),
        "reward_off": abs(reward - report["best"]["reward"]),
        "ksampler": ksampler(kind),
    }


def on_two_devices():
    """How a search with both of them differs, and the rows of its calls: one condition a device."""
    alone, _, _ = best_of("SVD", 2)
    rows.clear()
    both, _, report = best_of("SVD", 2, devices=2)
    off = float((alone - both).abs().max() / alone.abs().max())
    return {"off": off, "rows": rows, "nfe": report["spent"]["nfe"]}


told = {kind: seen(kind) for kind in ("SVD", "SV3D")}
told["lengths"] = {n: list(best_of("SVD", 2, n)[0].shape) for n in (1, 14)}
told["devices"] = on_two_devices() if MULTI else None
print(json.dumps(told))
