"""API prompts of searches, as stock users wire them."""

from __future__ import annotations

import copy
from typing import Any

from ..saved_workflow import Prompt

CAPTION = "three red circles and two blue squares"
SIZE = 64  # half of what the demo model draws at: decoding takes most of the time


def node(class_type: str, **inputs: Any) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def search(
    caption: str = CAPTION,
    cfg: float = 1.0,
    seed: int = 7,
    steps: int = 4,
    name: str = "run",
    **inputs: Any,
) -> Prompt:
    """Loader, text, guider, sampler, RBF search and probe; `inputs` override the search node's.

    The counter counts anew only under a new `name`: the host does not run an unchanged node twice.

    Args:
        caption: the prompt.
        cfg: the guider's.
        seed: of the noise.
        steps: of the schedule.
        name: of the counter.
        inputs: of the search node.
    """
    graph = {
        "loader": node("FlowSearchDemoLoader", checkpoint="fast"),
        "count": node("ProbeCountNetwork", model=["loader", 0], name=name),
        "text": node("CLIPTextEncode", text=caption, clip=["loader", 1]),
        "empty": node("CLIPTextEncode", text="", clip=["loader", 1]),
        "guider": node(
            "CFGGuider", model=["count", 0], positive=["text", 0], negative=["empty", 0], cfg=cfg
        ),
        "noise": node("RandomNoise", noise_seed=seed),
        "latent": node("EmptySD3LatentImage", width=SIZE, height=SIZE, batch_size=1),
        "sampler": node(
            "FlowSearchVPSDESampler",
            interpolant="vp",
            diffusion="square",
            diffusion_norm=1.0,
            kernel="eta",
        ),
        "sigmas": node(
            "FlowSearchScheduler", steps=steps, spacing="exp", interpolant="vp", denoise=1.0
        ),
        "reward": node("FlowSearchRewardLoader", reward="colour_count"),
        "search": node(
            "FlowSearchRBF",
            noise=["noise", 0],
            guider=["guider", 0],
            sampler=["sampler", 0],
            sigmas=["sigmas", 0],
            latent_image=["latent", 0],
            vae=["loader", 2],
            reward=["reward", 0],
            prompt=caption,
            budget=20,
            init_particles=3,
            paths=1,
            finish_steps=1,
            top_k=1,
            micro_batch=0,
            time_limit=0.0,
            lookahead=0,
        ),
        "probe": node(
            "ProbeReport", latent=["search", 0], images=["search", 1], report=["search", 2],
            name=name,
        ),
    }  # fmt: skip
    graph["search"]["inputs"] |= inputs
    return graph


def with_input(graph: Prompt, name: str, key: str, value: Any) -> Prompt:
    """A copy with one input of one node changed.

    Args:
        graph: the prompt.
        name: of the node.
        key: of the input.
        value: the new one.
    """
    graph = copy.deepcopy(graph)
    graph[name]["inputs"][key] = value
    return graph


def plain(graph: Prompt) -> Prompt:
    """The same wires through the stock SamplerCustomAdvanced."""
    graph = copy.deepcopy(graph)
    wires = ("noise", "guider", "sampler", "sigmas", "latent_image")
    inputs = {name: graph["search"]["inputs"][name] for name in wires}
    graph["search"] = node("SamplerCustomAdvanced", **inputs)
    graph["probe"] = node("ProbeReport", latent=["search", 0], name="run")
    return graph


def particles(graph: Prompt, method: str = "best_of_n", **inputs: Any) -> Prompt:
    """The same search by the Particle Search node."""
    graph = copy.deepcopy(graph)
    shared = graph["search"]["inputs"]
    for name in ("init_particles", "paths"):
        shared.pop(name)
    graph["search"] = node("FlowSearchParticles", **shared | {"method": method} | inputs)
    return graph


def guided(
    kind: str = "dps",
    reward: str = "brightness",
    strength: float = 1.0,
    schedule: str = "relative",
    **inputs: Any,
) -> Prompt:
    """An RBF search for a dark little picture, guided there.

    Args:
        kind: of guidance.
        reward: its family.
        strength: of the guidance.
        schedule: of the strength.
        inputs: of the search node.
    """
    graph = search(**inputs)
    graph["latent"]["inputs"] |= {"width": 64, "height": 64}
    graph["reward"] = node("FlowSearchRewardLoader", reward=reward)
    if reward == "brightness":
        graph["reward"]["inputs"]["reward.target"] = 0.0
    settings = {"": kind, ".strength": strength, ".schedule": schedule}
    graph["sampler"]["inputs"] |= {f"guidance{key}": value for key, value in settings.items()}
    if kind == "none":
        del graph["sampler"]["inputs"]["guidance.strength"]
    return graph
