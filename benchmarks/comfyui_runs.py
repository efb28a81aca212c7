"""A ComfyUI as a user starts it, and the prompts that the benchmarks give it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..tools import serving
from ..tools.client import Client

ROOT = Path(__file__).resolve().parents[1]
CAPTION = "three red circles and two blue squares"


class Host:
    """A running ComfyUI with the pack."""

    def __init__(self, url: str) -> None:
        self.client = Client(url)

    def spent(self, prompt: dict) -> dict:
        """What the prompt's search spent, by its report."""
        number = self.client.queue(prompt)
        while (entry := self.client.get(f"/history/{number}").get(number)) is None:
            time.sleep(0.05)
        if "search" not in entry["outputs"]:
            raise RuntimeError(json.dumps(entry["status"])[-2000:])
        return json.loads(entry["outputs"]["search"]["flow_search_report"][0])["spent"]


@contextlib.contextmanager
def host(base: Path, device: str) -> Iterator[Host]:
    """Run ComfyUI on a base directory; `device` is cpu or gpu."""
    comfyui, port = os.environ["COMFYUI_PATH"], serving.free_port()
    serving.link(ROOT, base / "custom_nodes" / "flow-search")
    command = [
        sys.executable, str(Path(comfyui) / "main.py"), "--listen", "127.0.0.1", "--port",
        str(port), "--base-directory", str(base), "--disable-api-nodes", "--disable-auto-launch",
        "--database-url", "sqlite:///:memory:", *(["--cpu"] if device == "cpu" else []),
    ]  # fmt: skip
    with open(base / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=comfyui)
        try:
            url = f"http://127.0.0.1:{port}"
            if not serving.wait_for_answer(process, url):
                raise RuntimeError((base / "log").read_text()[-4000:])
            yield Host(url)
        finally:
            process.terminate()
            process.wait()


def node(kind: str, **inputs: object) -> dict:
    return {"class_type": kind, "inputs": inputs}


def prompt_of(model: str, method: str, seed: int, budget: int, size: int, steps: int = 10) -> dict:
    """The API prompt of one search.

    Args:
        model: `demo`, or the name of a file in models/diffusion_models.
        method: rbf, or a method of Particle Search.
        seed: of the noise; without a new one ComfyUI answers from its cache.
        budget: NFE.
        size: pixels a side.
        steps: of the schedule.
    """
    network = ["demo", 0] if model == "demo" else ["own", 0]
    graph = {
        "demo": node("FlowSearchDemoLoader", checkpoint="fast"),
        "text": node("CLIPTextEncode", text=CAPTION, clip=["demo", 1]),
        "guider": node("BasicGuider", model=network, conditioning=["text", 0]),
        "noise": node("RandomNoise", noise_seed=seed),
        "latent": node("EmptySD3LatentImage", width=size, height=size, batch_size=1),
        "sampler": node(
            "FlowSearchVPSDESampler", interpolant="vp", diffusion="square", diffusion_norm=3.0,
            kernel="euler_maruyama",
        ),
        "sigmas": node(
            "FlowSearchScheduler", steps=steps, spacing="exp", interpolant="vp", denoise=1.0
        ),
        "reward": node("FlowSearchRewardLoader", reward="colour_count"),
        "search": search_node(method, budget),
        "shown": node("PreviewImage", images=["search", 1]),
    }  # fmt: skip
    if model != "demo":
        name = f"{model}.safetensors"
        graph["own"] = node("UNETLoader", unet_name=name, weight_dtype="default")
    return graph


def search_node(method: str, budget: int) -> dict:
    """The search of the prompt."""
    kind = "FlowSearchRBF" if method == "rbf" else "FlowSearchParticles"
    choice = {"method": method} if method != "rbf" else {"init_particles": 8, "paths": 1}
    return node(
        kind, noise=["noise", 0], guider=["guider", 0], sampler=["sampler", 0],
        sigmas=["sigmas", 0], latent_image=["latent", 0], vae=["demo", 2], reward=["reward", 0],
        prompt=CAPTION, budget=budget, finish_steps=4, top_k=1, micro_batch=0, lookahead=0,
        **choice,
    )  # fmt: skip
