"""One prompt with several runs of one small model: plain, searched, and how they differ."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from ..client import ComfyError
from .graphs import node
from .server import Host

Link = list  # [name of a node, its output]

STOCK = (  # loaded from a file by the host's own loader; the others are built as its classes
    "FLUX.1 dev", "FLUX.1 schnell", "FLUX.2", "SD3.5", "Wan 2.1 T2V", "HunyuanVideo", "LTX-Video",
)  # fmt: skip


class Runs:
    """The prompt in the making. What the runs share are links that may be replaced."""

    def __init__(self, key: str) -> None:
        self.key, self.graph = key, {}
        self.mark = uuid.uuid4().hex  # the host would not run an equal node again
        loaded = key in STOCK
        tiny = self.node("ProbeTinyModel", key=key, loaded=loaded)[0]
        self.model = self.node("UNETLoader", unet_name=f"{key}.safetensors", weight_dtype="default")
        if not loaded:
            del self.graph[self.model[0]]
            self.model = [tiny, 0]
        self.text, self.empty, self.picture, self.masked = ([tiny, i] for i in range(1, 5))
        self.latent = self.empty
        self.noise = self.node("RandomNoise", noise_seed=7)
        self.sampler = self.ours(1.0, "vp")
        self.stock = self.node("KSamplerSelect", sampler_name="euler")
        self.vae, self.same = self.node("ProbeTinyVAE"), self.node("ProbeSameReward")
        self.bright = self.node("FlowSearchRewardLoader", reward="brightness")
        self.sigmas = self.schedule(3)
        self.guide = self.basic

    def node(self, class_type: str, **inputs: Any) -> Link:
        """Add a node; returns its first output."""
        name = str(len(self.graph))
        self.graph[name] = node(class_type, **inputs)
        return [name, 0]

    def ours(self, norm: float, interpolant: str) -> Link:
        """Our sampler; with norm 0 on the linear path it takes the steps of the stock Euler."""
        return self.node(
            "FlowSearchVPSDESampler",
            interpolant=interpolant, diffusion="square", diffusion_norm=norm, kernel="eta",
        )  # fmt: skip

    def schedule(
        self,
        steps: int,
        denoise: float = 1.0,
        scheduler: str = "simple",
        model: Link | None = None,
    ) -> Link:
        """Sigmas of BasicScheduler.

        Args:
            steps: how many.
            denoise: the share of the way, from its end.
            scheduler: its name.
            model: None is that of the runs.
        """
        return self.node(
            "BasicScheduler",
            model=model or self.model,
            scheduler=scheduler,
            steps=steps,
            denoise=denoise,
        )

    def basic(self, model: Link) -> Link:
        return self.node("BasicGuider", model=model, conditioning=self.text)

    def run(self, name: str, **search: Any) -> Link:
        """Add one run, plain or a search, with a network counter of its own; its first output."""
        counter = f"{name} {self.mark}"
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

    def particles(self, name: str, method: str, **search: Any) -> Link:
        """As `run`, by a method of Particle Search."""
        out = self.run(name, **{"finish_steps": 0, "lookahead": 0} | search)
        graph = self.graph[out[0]]
        for key in ("init_particles", "paths"):
            del graph["inputs"][key]
        graph["class_type"], graph["inputs"]["method"] = "FlowSearchParticles", method
        return out

    def compare(self, name: str, a: Link, b: Link) -> None:
        """Show how two latents differ.

        Args:
            name: of the output.
            a: a latent.
            b: another one.
        """
        self.graph[name] = node("ProbeCompare", a=a, b=b)

    def kept(self) -> Link:
        """The picture as the host gives back what a mask keeps of it, to the last bit."""
        return self.node("ProbeKept", model=self.model, latent=self.picture)

    def loaded(self, name: str) -> None:
        """Show of what class the model is."""
        self.graph[name] = node("ProbeLoaded", model=self.model)

    def show(self, host: Host) -> dict[str, Any]:
        """Run the prompt: what each probe shows, by name."""
        if self.key in STOCK:
            host.run({"file": node("ProbeTinyCheckpoint", key=self.key)})
        outputs = host.run(self.graph)
        return {n: json.loads(out["probe"][0]) for n, out in outputs.items() if "probe" in out}


def assert_counted(shown: dict, budget: int, frames: int = 1) -> None:
    """The report's NFE are the rows that the counter saw, and the whole budget.

    Of a video whose frames are rows, they are its evaluations.

    Args:
        shown: what the search's probe shows.
        budget: NFE.
        frames: rows of one video.
    """
    spent = shown["report"]["spent"]
    assert spent["nfe"] * frames == shown["counts"]["rows"] == budget * frames
    assert spent["network_calls"] == shown["counts"]["calls"]


def error_of(run: Callable[[], object]) -> str:
    """The error that a prompt fails with; it must fail."""
    try:
        run()
    except ComfyError as error:
        return str(error)
    raise AssertionError("The prompt ran: expected an error.")


def refused(host: Host, runs: Runs, sentence: str) -> str:
    """The error of a search: one line that holds `sentence` and what was expected.

    Args:
        host: the ComfyUI.
        runs: what the search is wired to.
        sentence: a part of the error.
    """
    runs.run("one", budget=100)
    text = error_of(lambda: runs.show(host))
    assert sentence in text, text
    assert re.search("expected|wanted", text) and "\n" not in text, text
    return text
