"""The example workflow on a diffusion model: Search KSampler in the place of KSampler."""

from __future__ import annotations

from .downloads import HPS, SDXL, listed
from .graph import Graph, Output
from .parts import cost, search, shown


def sdxl_search(g: Graph) -> None:
    loader = g.add("load", "CheckpointLoaderSimple", ckpt_name=SDXL)
    model, clip, vae = (Output(loader.node, i) for i in range(3))
    text = (
        "a glass greenhouse on a cliff above the sea at dusk, lamps lit inside, a gardener waters "
        "orange trees, oil on canvas"
    )
    positive = g.add("text", "CLIPTextEncode", title="Prompt", box=(340, 200), text=text, clip=clip)
    negative = g.add("text", "CLIPTextEncode", title="Negative", box=(340, 120), clip=clip,
                     text="text, watermark")  # fmt: skip
    latent = g.add("text", "EmptyLatentImage", width=1024, height=1024)
    reward = g.add(
        "set", "FlowSearchRewardLoader", reward="hps_v2", reward__checkpoint=HPS
    )  # fmt: skip
    result = search(
        g, "FlowSearchKSampler", model=model, positive=positive, negative=negative, seed=7,
        steps=25, cfg=7.0, sampler_name="euler", scheduler="karras", latent_image=latent, vae=vae,
        reward=reward, effort=10,
    )  # fmt: skip
    shown(g, result, "sdxl_search")
    g.note("load", (
        "## SDXL in one node\n\n**Search KSampler** takes SDXL, SD 1.5 and what is made from them. "
        "Keep the sampler and scheduler of your KSampler. HPS v2.1 predicts which image people "
        "prefer.\n\n**effort** is the only new number: 10 takes as long as 10 images.\n\n"
        "**Reward:** `hps_v2` for looks. For what the prompt says, use `vqascore`. For counts, use "
        "`object_count`."
        + cost(10, 25, "SDXL and the reward fit.")
        + "\n\n**Download**\n" + listed(SDXL, HPS)
    ), height=460)  # fmt: skip
