"""The example workflows on newer few-step models: Search KSampler in the place of KSampler."""

from __future__ import annotations

from typing import Any

from . import downloads as files
from .downloads import HUB, listed
from .graph import Graph, Output
from .parts import cost, search, shown

READER, DETECTOR = "english_g2.pth", "craft_mlt_25k.pth"
OCR = "https://github.com/JaidedAI/EasyOCR/releases/tag"


def loaded(g: Graph, model: str, text: tuple[str, str], vae: str) -> tuple[Output, Output, Output]:
    """Model, text encoder and VAE.

    Args:
        g: gets the nodes.
        model: file of the diffusion model.
        text: file and type of the text encoder.
        vae: file of the VAE.
    """
    unet = g.add("load", "UNETLoader", unet_name=model, weight_dtype="default")
    clip = g.add("load", "CLIPLoader", clip_name=text[0], type=text[1])
    return unet, clip, g.add("load", "VAELoader", vae_name=vae)


def searched(
    g: Graph, model: Output, clip: Output, text: str, name: str, **inputs: Any
) -> None:  # fmt: skip
    """Search KSampler at cfg 1 on one prompt, its images and its report.

    Args:
        g: gets the nodes.
        model: the diffusion model.
        clip: the text encoder.
        text: the prompt.
        name: prefix of saved images.
        inputs: of the search.
    """
    positive = g.add("text", "CLIPTextEncode", title="Prompt", box=(340, 200), text=text, clip=clip)
    negative = g.add("text", "ConditioningZeroOut", conditioning=positive)
    result = search(
        g, "FlowSearchKSampler", model=model, positive=positive, negative=negative, seed=7,
        cfg=1.0, sampler_name="euler", scheduler="simple", **inputs,
    )  # fmt: skip
    shown(g, result, name)


def flux2_klein(g: Graph) -> None:
    model, clip, vae = loaded(g, files.KLEIN, (files.QWEN_3, "flux2"), files.FLUX2_VAE)
    latent = g.add("text", "EmptyFlux2LatentImage", width=1024, height=1024)
    text = (
        "a fox in a red scarf reads a map to three hedgehogs in a tent, a lantern hangs above "
        "them, the smallest hedgehog sleeps"
    )
    judge = g.add("set", "CLIPLoader", title="Judge", clip_name=files.QWEN_VL)
    reward = g.add("set", "FlowSearchRewardLoader", reward="vqascore_host", reward__clip=judge)
    searched(
        g, model, clip, text, "flux2_klein", latent_image=latent, vae=vae, steps=4, effort=25,
        reward=reward,
    )  # fmt: skip
    memory = (
        "the model and the judge take turns, which costs time. `clip_score` with "
        "PickScore is a smaller reward."
    )
    g.note("load", (
        "## FLUX.2 klein and a judge that ComfyUI loads\n\n**Search KSampler** draws in four "
        "steps, as KSampler would. Qwen3-VL answers whether an image shows the prompt. The search "
        "goes on from the images with the most certain yes.\n\n**effort** is the only new number: "
        "25 takes as long as 25 images.\n\n**Reward:** `vqascore_host` for relations, attributes "
        "and logic. Every file has a Download button."
        + cost(25, 100, memory)
        + "\n\n**Download**\n" + listed(files.KLEIN, files.QWEN_3, files.FLUX2_VAE, files.QWEN_VL)
    ), height=460)  # fmt: skip


def z_image_turbo(g: Graph) -> None:
    model, clip, vae = loaded(g, files.ZIMAGE, (files.QWEN_3, "lumina2"), files.AE)
    shifted = g.add("load", "ModelSamplingAuraFlow", model=model, shift=3.0)
    latent = g.add("text", "EmptySD3LatentImage", width=1024, height=1024)
    text = (
        "a violin maker looks up from her bench, shavings in her hair, a cat on the window sill, "
        "morning light, photograph"
    )
    reward = g.add(
        "set", "FlowSearchRewardLoader", reward="clip_score", reward__checkpoint="PickScore_v1"
    )
    searched(
        g, shifted, clip, text, "z_image_turbo", latent_image=latent, vae=vae, steps=8, effort=12,
        reward=reward,
    )  # fmt: skip
    memory = "set **weight_dtype** to fp8_e4m3fn. Model and reward then fit together."
    g.note("load", (
        "## Z-Image-Turbo in one node\n\n**Search KSampler** draws in eight steps, as KSampler "
        "would. PickScore predicts which image people prefer, and the search goes on from the best."
        "\n\n**effort** is the only new number: 12 takes as long as 12 images.\n\n**Reward:** "
        "PickScore for looks and agreement. For counts, use `object_count`."
        + cost(12, 96, memory)
        + "\n\n**Download**\n" + listed(files.ZIMAGE, files.QWEN_3, files.AE)
        + f"\n- models/rewards: the folder [PickScore_v1]({HUB}/yuvalkirstain/PickScore_v1), 3.9 GB"
    ), height=440)  # fmt: skip


def qwen_image_lightning(g: Graph) -> None:
    model, clip, vae = loaded(g, files.QWEN_IMAGE, (files.QWEN_TEXT, "qwen_image"), files.QWEN_VAE)
    fast = g.add("load", "LoraLoaderModelOnly", model=model, lora_name=files.LIGHTNING)
    shifted = g.add("load", "ModelSamplingAuraFlow", model=fast, shift=3.1)
    latent = g.add("text", "EmptySD3LatentImage", width=1024, height=1024)
    text = (
        'a painted wooden sign above a bookshop says "Open until the last page", below it a '
        'smaller sign says "Dogs may read too", rainy street at night'
    )
    reward = g.add(
        "set", "FlowSearchRewardLoader", reward="text_reader", reward__checkpoint=READER,
        reward__detector=DETECTOR,
    )  # fmt: skip
    searched(
        g, shifted, clip, text, "qwen_image", latent_image=latent, vae=vae, steps=4, effort=12,
        reward=reward,
    )  # fmt: skip
    memory = (
        "the model is larger than that, so ComfyUI keeps a part of it in main memory. The seconds "
        "of one image include this."
    )
    g.note("load", (
        "## Qwen-Image with a lightning LoRA\n\nThe LoRA makes Qwen-Image a model of four steps, "
        "on which a search works best. **Search KSampler** draws as KSampler would. A reader "
        "spells the signs and compares them with the texts in quotes.\n\n**effort** 12 takes as "
        "long as 12 images. Raise it for longer texts.\n\n**Reward:** `text_reader` for written "
        "text. It does not look at the rest of the image."
        + cost(12, 48, memory)
        + "\n\n**Download**\n"
        + listed(files.QWEN_IMAGE, files.LIGHTNING, files.QWEN_TEXT, files.QWEN_VAE)
        + f"\n- models/rewards: [{READER}]({OCR}/v1.3) and [{DETECTOR}]({OCR}/pre-v1.1.6), "
        "unzipped, 0.1 GB"
    ), height=460)  # fmt: skip
