"""The example workflows without a search: a batch of KSampler, scored, and the best kept."""

from __future__ import annotations

from .downloads import HPS, SDXL, listed
from .graph import Graph, Output
from .parts import SAVED, cost, prompt


def keep_best(
    g: Graph, images: Output, reward: Output, words: Output, keep: int, name: str
) -> None:
    """Score the images, save the best and show all of them on a contact sheet.

    Args:
        g: gets the nodes.
        images: a batch.
        reward: what scores them.
        words: the prompt.
        keep: how many to save.
        name: prefix of saved images.
    """
    scored = g.add(
        "search", "FlowSearchRewardScore", box=(420, 320), images=images, reward=reward,
        prompt=words, keep=keep,
    )  # fmt: skip
    sheet = Output(scored.node, 4)
    g.add("search", "PreviewImage", title="Contact sheet", box=(420, 520), images=sheet)
    g.add("save", "SaveImage", title=f"The best {keep}", box=(SAVED, 420),
          images=Output(scored.node, 1), filename_prefix=name)  # fmt: skip


def demo_batch(g: Graph) -> None:
    loader = g.add("load", "FlowSearchDemoLoader", checkpoint="fast")
    model, clip, vae = (Output(loader.node, i) for i in range(3))
    words, positive = prompt(g, clip, "two red circles, three blue squares and one green triangle")
    negative = g.add("text", "CLIPTextEncode", box=(340, 120), text="", clip=clip)
    latent = g.add("text", "EmptySD3LatentImage", width=128, height=128, batch_size=8)
    drawn = g.add(
        "set", "KSampler", model=model, positive=positive, negative=negative, latent_image=latent,
        seed=1, steps=4, cfg=1.0, sampler_name="euler", scheduler="simple",
    )  # fmt: skip
    images = g.add("set", "VAEDecode", samples=drawn, vae=vae)
    reward = g.add("set", "FlowSearchRewardLoader", reward="shape_count")
    keep_best(g, images, reward, words, 3, "keep_best")
    g.note("load", (
        "## The best of a batch, no downloads\n\nKSampler draws eight images at once. **Score "
        "Images** counts the shapes of each, and keeps the best three. The contact sheet has all "
        "eight with their scores.\n\n1. Press **Run**.\n2. Change **keep**, or set a "
        "**threshold**: a score above -1 means that every count is right.\n3. In your own "
        "workflow, put Score Images after VAE Decode. It takes any images, also a folder of them."
        "\n\nThere is no search here: this works with every model. If few images are right, a "
        "search finds more for the same time. See the other examples."
    ), height=420)  # fmt: skip


def sdxl_batch(g: Graph) -> None:
    loader = g.add("load", "CheckpointLoaderSimple", ckpt_name=SDXL)
    model, clip, vae = (Output(loader.node, i) for i in range(3))
    words, positive = prompt(
        g, clip, "an old lighthouse keeper mends a net by the window, warm evening light, oil on "
        "canvas",
    )  # fmt: skip
    negative = g.add("text", "CLIPTextEncode", title="Negative", box=(340, 120), clip=clip,
                     text="text, watermark")  # fmt: skip
    latent = g.add("text", "EmptyLatentImage", width=1024, height=1024, batch_size=6)
    drawn = g.add(
        "set", "KSampler", model=model, positive=positive, negative=negative, latent_image=latent,
        seed=7, steps=25, cfg=7.0, sampler_name="dpmpp_2m", scheduler="karras",
    )  # fmt: skip
    images = g.add("set", "VAEDecode", samples=drawn, vae=vae)
    reward = g.add(
        "set", "FlowSearchRewardLoader", reward="hps_v2", reward__checkpoint=HPS
    )  # fmt: skip
    keep_best(g, images, reward, words, 2, "sdxl_best")
    memory = (
        "SDXL and the reward fit. If the batch does not, lower **batch_size** and run it twice."
    )
    g.note("load", (
        "## The best SDXL images of a batch\n\nKSampler draws six images at once. **Score Images** "
        "keeps the two that people would prefer, by HPS v2.1. The contact sheet has all six with "
        "their scores.\n\n**Reward:** `hps_v2` for looks. For what the prompt says, use "
        "`vqascore`. For counts, use `object_count`."
        + cost(6, 6, memory)
        + "\n\n**Download**\n" + listed(SDXL, HPS)
    ), height=460)  # fmt: skip
