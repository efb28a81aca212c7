"""One prompt with several runs of one small model: plain, searched, and how they differ."""

import json
import re
import uuid

import pytest
from pack.tools.client import ComfyError

from .graphs import node

STOCK = (  # loaded from a file by the host's own loader; the others are built as its classes
    "FLUX.1 dev", "FLUX.1 schnell", "FLUX.2", "SD3.5", "Wan 2.1 T2V", "HunyuanVideo", "LTX-Video",
)  # fmt: skip


class Runs:
    """The prompt in the making. What the runs share are links that a test may replace."""

    def __init__(self, key):
        self.key, self.graph = key, {}
        self.own = uuid.uuid4().hex  # the host would not run an equal node again
        loaded = key in STOCK
        own = self.node("ProbeTinyModel", key=key, loaded=loaded)[0]
        self.model = self.node("UNETLoader", unet_name=f"{key}.safetensors", weight_dtype="default")
        if not loaded:
            del self.graph[self.model[0]]
            self.model = [own, 0]
        self.text, self.empty, self.picture, self.masked = ([own, i] for i in range(1, 5))
        self.latent = self.empty
        self.noise = self.node("RandomNoise", noise_seed=7)
        self.sampler = self.ours(1.0, "vp")
        self.stock = self.node("KSamplerSelect", sampler_name="euler")
        self.vae, self.same = self.node("ProbeTinyVAE"), self.node("ProbeSameReward")
        self.bright = self.node("FlowSearchRewardLoader", reward="brightness")
        self.sigmas = self.schedule(3)
        self.guide = self.basic

    def node(self, class_type, **inputs):
        """Add a node; returns its first output."""
        name = str(len(self.graph))
        self.graph[name] = node(class_type, **inputs)
        return [name, 0]

    def ours(self, norm, interpolant):
        """Our sampler; with norm 0 on the linear path it takes the steps of the stock Euler."""
        return self.node(
            "FlowSearchVPSDESampler",
            interpolant=interpolant, diffusion="square", diffusion_norm=norm, kernel="eta",
        )  # fmt: skip

    def schedule(self, steps, denoise=1.0, scheduler="simple", model=None):
        given = model or self.model
        return self.node(
            "BasicScheduler", model=given, scheduler=scheduler, steps=steps, denoise=denoise
        )

    def basic(self, model):
        return self.node("BasicGuider", model=model, conditioning=self.text)

    def run(self, name, **search):
        """Add one run, plain or a search, with a network counter of its own; its first output."""
        counter = f"{name} {self.own}"
        model = self.node("ProbeCountNetwork", model=self.model, name=counter)
        inputs = {
            "noise": self.noise, "guider": self.guide(model), "sampler": self.sampler,
            "sigmas": self.sigmas, "latent_image": self.latent,
        }  # fmt: skip
        if not search:
            out = self.node("SamplerCustomAdvanced", **inputs)
            self.graph[name] = node("ProbeReport", latent=out, name=counter)
            return out
        defaults = {
            "vae": self.vae, "reward": self.same, "prompt": "", "init_particles": 1, "paths": 1,
            "finish_steps": 0, "top_k": 1,
        }  # fmt: skip
        out = self.node("FlowSearchRBF", **inputs | defaults | search)
        shown = {"images": [out[0], 1], "report": [out[0], 2]}
        self.graph[name] = node("ProbeReport", latent=out, name=counter, **shown)
        return out

    def particles(self, name, method, **search):
        """As `run`, by a method of Particle Search."""
        found = self.run(name, **{"finish_steps": 0, "lookahead": 0} | search)
        graph = self.graph[found[0]]
        for key in ("init_particles", "paths"):
            del graph["inputs"][key]
        graph["class_type"], graph["inputs"]["method"] = "FlowSearchParticles", method
        return found

    def compare(self, name, a, b):
        self.graph[name] = node("ProbeCompare", a=a, b=b)

    def kept(self):
        """The picture as the host gives back what a mask keeps of it, to the last bit."""
        return self.node("ProbeKept", model=self.model, latent=self.picture)

    def loaded(self, name):
        """Show of what class the model is."""
        self.graph[name] = node("ProbeLoaded", model=self.model)

    def show(self, host):
        """Run the prompt: what each probe shows, by name."""
        if self.key in STOCK:
            host.run({"file": node("ProbeTinyCheckpoint", key=self.key)})
        found = host.run(self.graph)
        return {n: json.loads(out["probe"][0]) for n, out in found.items() if "probe" in out}


def assert_counted(shown, budget, frames=1):
    """The report's NFE are the rows that the counter saw, and the whole budget.

    Of a video whose frames are rows, they are its evaluations.
    """
    spent = shown["report"]["spent"]
    assert spent["nfe"] * frames == shown["counts"]["rows"] == budget * frames
    assert spent["network_calls"] == shown["counts"]["calls"]


def refused(host, runs, sentence):
    """The error of a search: one line that holds `sentence` and what was expected."""
    runs.run("one", budget=100)
    with pytest.raises(ComfyError) as caught:
        runs.show(host)
    text = str(caught.value)
    assert sentence in text and re.search("expected|wanted", text) and "\n" not in text
    return text
