"""Run by test_packed.py in a process of its own: searches of video and sound in one latent.

Argument: ComfyUI's folder. Prints one JSON object.
"""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import host_in_process  # isort: skip # noqa: F401

import server
import torch
from comfy.nested_tensor import NestedTensor
from comfy.patcher_extension import WrappersMP
from comfy.samplers import CFGGuider, calc_cond_batch, sampler_object
from comfy.utils import pack_latents, unpack_latents
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
from pack.nodes.host.kernel import FlowSampler, Guide
from pack.nodes.host.kernel_settings import read_kernel
from pack.nodes.ksampler_search import SearchKSampler
from pack.nodes.rewards import loader
from pack.nodes.run.batch import run_batch
from pack.nodes.run.crewed import refusal
from pack.nodes.run.inputs import SearchInputs
from pack.nodes.run.plan import MethodChoice
from pack.nodes.run.planning import plan
from pack.samplers.guidance import Unguided
from pack.samplers.search import SEARCHES
from pack.tools.probing.probe import build

server.PromptServer.instance = SimpleNamespace(send_sync=lambda *sent: None, client_id=None)
LTX, MINIMAX = (
    key for key, tiny in build.MODELS.items() if key[:3] in ("LTX", "Min") and tiny.parts
)
STEPS, BUDGET = 3, 24
SIGMAS = torch.tensor([1.0, 0.8, 0.5, 0.0])
BRIGHT = loader.RewardModelLoader.execute({"reward": "brightness", "target": 1.0}).args[0]
EMPTY, KNOWN, MASKED = range(3)
rows = []


class Decoder:
    def decode(self, latents):
        return torch.sigmoid(latents[:, :3]).movedim(1, -1)


class ByPart(CFGGuider):
    """Another CFG for the video than for the sound, as LTX's own guiders have."""

    scales, calls = (3.0, 2.0), 0

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        self.calls += 1
        conds = [self.conds[name] for name in ("positive", "negative")]
        shapes = conds[0][0]["model_conds"]["latent_shapes"].cond
        yes, no = (
            unpack_latents(calc_cond_batch(self.inner_model, [c], x, timestep, model_options)[0],
                           shapes) for c in conds
        )  # fmt: skip
        return pack_latents(
            [b + s * (a - b) for a, b, s in zip(yes, no, self.scales, strict=True)]
        )[0]


class Remembers(ByPart):
    """Its sound is that of the call before, as where LTX's guider skips steps."""

    last = None

    def predict_noise(self, *args, **kwargs):
        x0 = super().predict_noise(*args, **kwargs)
        self.last, old = x0, x0 if self.last is None or len(self.last) != len(x0) else self.last
        return torch.cat([x0[..., :-64], old[..., -64:]], -1)


def ours(**settings):
    kernel, entries = read_kernel("eta", {"interpolant": "vp", "diffusion_norm": 1.0} | settings)
    return FlowSampler(kernel, Guide(Unguided(), None, None, ""), entries | {"guidance": "none"})


def model_of(key):
    """A model whose network rows are counted."""
    model = build.patcher(key)

    def count(execute, x, *args, **kwargs):
        rows.append(len(x))
        return execute(x, *args, **kwargs)

    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "count", count)
    rows.clear()
    return model


def planned(key, method, sampler, latent=EMPTY, kind=CFGGuider, model=None, **inputs):
    guider = kind(model or model_of(key))
    condition = build.condition(key)
    names = ("positive",) if kind is CFGGuider else ("positive", "negative")
    guider.inner_set_conds(dict.fromkeys(names, condition))
    guider.set_cfg(1.0)
    latent = build.latents(key)[latent] if isinstance(latent, int) else latent
    values = {
        "noise": Noise_RandomNoise(7), "guider": guider, "sampler": sampler, "sigmas": SIGMAS,
        "latent_image": latent, "vae": Decoder(), "reward": BRIGHT, "prompt": "",
        "budget": BUDGET, "finish_steps": 0, "lookahead": 0, "journal": False,
    }  # fmt: skip
    return plan(SearchInputs(**values | inputs), MethodChoice(method, SEARCHES[method](), {}))


def run(*args, **kwargs):
    """The latent's parts and the report, which counts what the network saw."""
    with torch.inference_mode():
        latent, images, report, _ = run_batch(planned(*args, **kwargs), "")
    reports = report.get("batch", [report])
    assert sum(each["spent"]["nfe"] for each in reports) == sum(rows), (report["spent"], rows)
    samples = latent["samples"]
    assert isinstance(samples, NestedTensor) and all(p.isfinite().all() for p in samples.unbind())
    return samples.unbind(), report, images


def refused(*args, **kwargs):
    """The sentence of a search, and the rows spent before it."""
    try:
        run(*args, **kwargs)
    except ValueError as error:
        return [str(error), sum(rows)]
    return ["", 0]


def method(key, name, sampler):
    """What a search by one method found, and whether its replay is the same."""
    found, report, images = run(key, name, sampler)
    again, _, _ = run(key, name, sampler, replay=json.dumps(report))
    return {
        "shapes": [list(part.shape) for part in found],
        "frames": list(images.shape),
        "particles": len(report["trace"]),
        "nfe": report["spent"]["nfe"],
        "same": [bool(torch.equal(a, b)) for a, b in zip(found, again, strict=True)],
    }


def batch():
    """Two latents: the first is that of a search alone, the second another."""
    two = {"samples": NestedTensor([torch.zeros(2, *p) for p in build.MODELS[LTX].parts])}
    both, report, _ = run(LTX, "svdd", ours(), latent=two)
    first, _, _ = run(LTX, "svdd", ours())
    off = [float((a[:1] - b).abs().max()) for a, b in zip(both, first, strict=True)]
    apart = [float((part[0] - part[1]).abs().max()) for part in both]
    return {"reports": len(report["batch"]), "first": off, "apart": apart}


def kept_sound():
    """Of a latent whose sound is given, the sound stays to the last bit."""
    latent = build.latents(LTX)[KNOWN]
    video, sound = latent["samples"].unbind()
    latent["noise_mask"] = NestedTensor([torch.ones_like(video), torch.zeros_like(sound)])
    found, _, _ = run(LTX, "regional", ours(), latent=latent, sigmas=SIGMAS[1:])
    return [float((a - b).abs().max()) for a, b in zip(found, (video, sound), strict=True)]


def ksampler():
    """MiniMax H3 in Search KSampler: the method and the sampler that ran."""
    condition = build.condition(MINIMAX)
    with torch.inference_mode():
        out = SearchKSampler.execute(
            model_of(MINIMAX), condition, condition, seed=3, steps=STEPS, cfg=1.0, effort=4,
            sampler_name="vp_sde", scheduler="simple", latent_image=build.latents(MINIMAX)[EMPTY],
            denoise=1.0, vae=Decoder(), reward=BRIGHT, prompt="", compare=True,
        )  # fmt: skip
    report = json.loads(out.args[2])
    return [report["chosen"]["method"], report["settings"]["sampler"], report["plain"]["nfe"]]


def refusals():
    """The sentences by what is wrong."""
    euler, parts = sampler_object("euler"), [torch.zeros(1, *p) for p in build.MODELS[LTX].parts]
    uneven = {"samples": NestedTensor([parts[0], parts[1].repeat(2, 1, 1, 1)])}
    broken = {"samples": NestedTensor([parts[0], parts[1] * math.nan])}
    still = {"noise_mask": NestedTensor([parts[0], torch.ones_like(parts[1])])}
    return {
        "steps": refused(MINIMAX, "best_of_n", ours()),
        "branches": refused(MINIMAX, "svdd", euler),
        "model": refused("FLUX.1 dev", "svdd", ours(), latent=EMPTY_LTX),
        "uneven": refused(LTX, "svdd", ours(), latent=uneven),
        "broken": refused(LTX, "svdd", ours(), latent=broken),
        "mask": refused(LTX, "svdd", ours(), latent=EMPTY_LTX | still),
        "remembers": refused(LTX, "svdd", ours(), kind=Remembers, budget=80),
    }


def workers():
    """Why a search with workers does not use them."""
    made = planned(LTX, "svdd", ours(), workers=SimpleNamespace(address="ray://there"))
    return refusal(replace(made, graph=dict), SimpleNamespace(replayed={}))


def by_part():
    """A guider with a CFG for each part: what it found, and its cost."""
    found, report, _ = run(LTX, "svdd", ours(), kind=ByPart, budget=80)
    return [report["spent"]["nfe"], [list(part.shape) for part in found]]


EMPTY_LTX = build.latents(LTX)[EMPTY]
told = {
    "methods": {name: method(LTX, name, ours()) for name in SEARCHES},
    "whole": {
        name: method(MINIMAX, name, sampler_object("euler"))
        for name, cls in SEARCHES.items() if cls.whole_trajectories
    },
    "any": method(LTX, "regional", sampler_object("dpmpp_2m_sde")),
    "guided": by_part(),
    "batch": batch(),
    "sound": kept_sound(),
    "ksampler": ksampler(),
    "refused": refusals(),
    "workers": workers(),
}  # fmt: skip
print(json.dumps(told))
