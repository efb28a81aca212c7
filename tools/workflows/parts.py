"""Parts of several example workflows."""

from __future__ import annotations

from typing import Any

from .downloads import AE, CLIP_L, T5, listed
from .graph import Graph, Output

# Narrow enough for the page to draw text where it shows the whole graph on a small screen.
COLUMNS = {"load": 0, "text": 350, "set": 720, "search": 1070, "save": 1520, "last": 1970}
SAVED = 340  # width of the nodes that save
PANEL = 500
GGUF = "use a Q4 GGUF of FLUX.1. With 16 GB, set **weight_dtype** to fp8_e4m3fn."


def flux(g: Graph, file: str) -> tuple[Output, Output, Output]:
    """Model, CLIP and VAE of a FLUX.1."""
    model = g.add("load", "UNETLoader", unet_name=file, weight_dtype="default")
    clip = g.add(
        "load", "DualCLIPLoader", clip_name1=CLIP_L, clip_name2=T5, type="flux",
    )  # fmt: skip
    return model, clip, g.add("load", "VAELoader", vae_name=AE)


def flux_files(model: str) -> str:
    """The lines of a note with the downloads of a FLUX.1."""
    return listed(model, CLIP_L, T5, AE)


def cost(images: int, scores: int, memory: str, kind: str = "image") -> str:
    """The lines of a note on time and memory.

    Args:
        images: how many plain images take as long as the network does here.
        scores: how many images are decoded and scored.
        memory: a sentence on a card with 12 GB.
        kind: image or video.
    """
    return (
        f"\n\n**Time:** {images} × (one {kind} of KSampler) + about {scores} × (one decode + one "
        f"score). Time these once on your card.\n\n**12 GB:** {memory}"
    )


def prompt(g: Graph, clip: Output, text: str) -> tuple[Output, Output]:
    """The prompt as a text for the reward, and as conditioning for the model.

    Args:
        g: gets the nodes.
        clip: the text encoder.
        text: the prompt.
    """
    words = g.add("text", "PrimitiveStringMultiline", title="Prompt", box=(340, 160), value=text)
    return words, g.add("text", "CLIPTextEncode", box=(340, 120), text=words, clip=clip)


def few_steps(g: Graph) -> tuple[Output, Output]:
    """Sampler and sigmas for few-step models, from measurements on the demo model `fast`."""
    sampler = g.add("set", "FlowSearchVPSDESampler", diffusion_norm=1.0, kernel="eta")
    return sampler, g.add("set", "FlowSearchScheduler", steps=5)


def search(
    g: Graph, kind: str = "FlowSearchRBF", column: str = "search", **inputs: Any
) -> Output:  # fmt: skip
    """A search node, with room below for its panel, which grows when it runs.

    Args:
        g: gets the node.
        kind: its type.
        column: where it goes.
        inputs: its links and values.
    """
    result = g.add(column, kind, box=(420, 780), **inputs)
    g.y[column] += PANEL
    return result


def shown(
    g: Graph, result: Output, name: str, column: str = "save", height: int = 420
) -> None:  # fmt: skip
    """The nodes that save the images and draw the report.

    Args:
        g: gets the nodes.
        result: of the search.
        name: prefix of saved images.
        column: where they go.
        height: of each node, in px.
    """
    images, report = Output(result.node, 1), Output(result.node, 2)
    g.add(column, "SaveImage", box=(SAVED, height), images=images, filename_prefix=name)
    g.add(column, "FlowSearchReport", box=(SAVED, height), report=report, images=images)
