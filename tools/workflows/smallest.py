"""The workflow of each help page: the node and a few others, on the demo model.

help_pictures.py takes the screenshots. Each contains its workflow, and opens it when it is dropped
on the canvas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .graph import GAP, Graph, Output

Add = Callable[..., Output]

SMALLEST: dict[str, Callable[[Graph], None]] = {}
COLUMNS = {"left": 0, "right": 270}
BOX = (230, 0)
FOLDED = 30  # px, height of a collapsed node
WORDS = "three red circles and two blue squares"
HARDER = "six red circles, four blue squares and two green triangles"


def build(node: str, object_info: dict) -> dict:
    """The workflow of a node's page."""
    graph = Graph(object_info, COLUMNS)
    SMALLEST[node](graph)
    return graph.workflow()


def of(node: str) -> Callable[[Callable[[Graph], None]], Callable[[Graph], None]]:
    def enter(fill: Callable[[Graph], None]) -> Callable[[Graph], None]:
        SMALLEST[node] = fill
        return fill

    return enter


def left(g: Graph, kind: str, **inputs: Any) -> Output:
    return g.add("left", kind, box=BOX, **inputs)


def folded(g: Graph, kind: str, column: str = "left", **inputs: Any) -> Output:
    """A collapsed node.

    Args:
        g: gets the node.
        kind: its type.
        column: where it goes.
        inputs: of the node.
    """
    result = g.add(column, kind, box=BOX, **inputs)
    result.node["flags"] = {"collapsed": True}
    g.y[column] = result.node["pos"][1] + FOLDED + GAP // 2
    return result


def right(g: Graph, kind: str, height: int = 0, **inputs: Any) -> Output:
    """A node in the right column.

    Args:
        g: gets the node.
        kind: its type.
        height: pixels.
        inputs: of the node.
    """
    return g.add("right", kind, box=(280, height), **inputs)


def demo(g: Graph, text: str = WORDS) -> tuple[Output, Output, Output]:
    """Model, VAE, and the prompt as conditioning."""
    model = left(g, "FlowSearchDemoLoader", checkpoint="fast")
    clip, vae = Output(model.node, 1), Output(model.node, 2)
    return model, vae, g.add("left", "CLIPTextEncode", box=(230, 120), text=text, clip=clip)


def latent(g: Graph, batch: int = 1) -> Output:
    return folded(g, "EmptySD3LatentImage", width=128, height=128, batch_size=batch)


def plain(g: Graph, batch: int = 1) -> Output:
    """Images of the host's sampler."""
    model, vae, words = demo(g)
    drawn = right(
        g, "KSampler", model=model, seed=7, steps=4, cfg=1.0, sampler_name="euler",
        scheduler="simple", positive=words, negative=words, latent_image=latent(g, batch),
    )  # fmt: skip
    return right(g, "VAEDecode", samples=drawn, vae=vae)


def custom(g: Graph, parts: Callable[[Graph, Output], tuple[Output, Output]]) -> None:
    """An image by the sampler and the sigmas that `parts` returns."""
    model, vae, words = demo(g)
    empty = latent(g)
    sampler, sigmas = parts(g, model)
    drawn = right(
        g, "SamplerCustom", model=model, noise_seed=7, cfg=1.0, positive=words, negative=words,
        sampler=sampler, sigmas=sigmas, latent_image=empty,
    )  # fmt: skip
    right(g, "PreviewImage", 260, images=right(g, "VAEDecode", samples=drawn, vae=vae))


def search(g: Graph, kind: str, add: Add = right, **inputs: Any) -> Output:
    """A search on the demo model.

    Args:
        g: gets the nodes.
        kind: type of the search node.
        add: adds the search node.
        inputs: of the search node.
    """
    model, vae, words = demo(g, HARDER)
    guider = folded(g, "BasicGuider", model=model, conditioning=words)
    noise, empty = folded(g, "RandomNoise", noise_seed=7), latent(g)
    sampler = folded(g, "FlowSearchVPSDESampler", diffusion_norm=1.0, kernel="eta")
    sigmas = folded(g, "FlowSearchScheduler", steps=10)
    reward = left(g, "FlowSearchRewardLoader", reward="colour_count")
    return add(
        g, kind, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=empty,
        vae=vae, reward=reward, prompt=HARDER, finish_steps=2, **{"budget": 40} | inputs,
    )  # fmt: skip


@of("FlowSearchDemoLoader")
def demo_loader(g: Graph) -> None:
    right(g, "PreviewImage", 260, images=plain(g))


@of("FlowSearchVPSDESampler")
def sampler(g: Graph) -> None:
    def parts(g: Graph, model: Output) -> tuple[Output, Output]:
        sigmas = folded(g, "BasicScheduler", model=model, scheduler="simple", steps=10)
        return left(g, "FlowSearchVPSDESampler", diffusion_norm=1.0, kernel="eta"), sigmas

    custom(g, parts)


@of("FlowSearchScheduler")
def scheduler(g: Graph) -> None:
    def parts(g: Graph, model: Output) -> tuple[Output, Output]:
        sampler = folded(g, "FlowSearchVPSDESampler", diffusion_norm=1.0, kernel="eta")
        return sampler, left(g, "FlowSearchScheduler", steps=10)

    custom(g, parts)


@of("FlowSearchRewardLoader")
def reward_loader(g: Graph) -> None:
    images = plain(g, 4)
    reward = left(g, "FlowSearchRewardLoader", reward="colour_count")
    scored = right(g, "FlowSearchRewardScore", images=images, reward=reward, prompt=WORDS)
    right(g, "PreviewImage", 300, images=Output(scored.node, 1))


@of("FlowSearchRewardScore")
def reward_score(g: Graph) -> None:
    images = plain(g, 4)
    reward = folded(g, "FlowSearchRewardLoader", reward="colour_count")
    scored = right(g, "FlowSearchRewardScore", images=images, reward=reward, prompt=WORDS, keep=2)
    right(g, "PreviewImage", 300, images=Output(scored.node, 1))
    g.add("left", "PreviewImage", box=(230, 300), images=Output(scored.node, 4))


@of("FlowSearchRewardCombine")
def reward_combine(g: Graph) -> None:
    images = plain(g, 4)
    rewards = {
        f"reward_{i}": folded(g, "FlowSearchRewardLoader", title=name, reward=name)
        for i, name in enumerate(("colour_count", "sharpness"), 1)
    }
    both = left(g, "FlowSearchRewardCombine", **rewards)
    scored = right(g, "FlowSearchRewardScore", images=images, reward=both, prompt=WORDS)
    right(g, "PreviewImage", 300, images=Output(scored.node, 1))


@of("FlowSearchRBF")
def rbf(g: Graph) -> None:
    result = search(g, "FlowSearchRBF", init_particles=10)
    g.add("left", "PreviewImage", box=(230, 260), images=Output(result.node, 1))


@of("FlowSearchKSampler")
def ksampler(g: Graph) -> None:
    model, vae, words = demo(g, HARDER)
    empty, reward = latent(g), left(g, "FlowSearchRewardLoader", reward="shape_count")
    result = right(
        g, "FlowSearchKSampler", model=model, positive=words, negative=words, latent_image=empty,
        seed=7, steps=4, cfg=1.0, scheduler="simple", vae=vae, reward=reward, effort=25,
    )  # fmt: skip
    g.add("left", "PreviewImage", box=(230, 260), images=Output(result.node, 1))


@of("FlowSearchParticles")
def particles(g: Graph) -> None:
    result = search(g, "FlowSearchParticles", budget=100)
    g.add("left", "PreviewImage", box=(230, 260), images=Output(result.node, 1))


@of("FlowSearchReport")
def report(g: Graph) -> None:
    result = search(g, "FlowSearchRBF", folded, column="right", init_particles=5, paths=2)
    images, text = Output(result.node, 1), Output(result.node, 2)
    right(g, "FlowSearchReport", 400, report=text, images=images)


@of("FlowSearchWorkersRay")
def workers(g: Graph) -> None:
    made = right(g, "FlowSearchWorkersRay")
    result = search(g, "FlowSearchRBF", folded, column="right", init_particles=10, workers=made)
    right(g, "PreviewImage", 260, images=Output(result.node, 1))
