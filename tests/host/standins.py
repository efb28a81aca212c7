"""Example workflows made small: tiny weights under the names that the workflow loads."""

import copy

import numpy as np
from PIL import Image

from ..rewards.families import LOCAL
from .graphs import CAPTION, node

WAN = "Wan 2.1 T2V"
SIZES = {"width": 128, "height": 128, "length": 5}
LOADERS = {"UNETLoader": 0, "DualCLIPLoader": 1, "VAELoader": 2}  # outputs of the demo's loader


def rewards(host, prompt):
    """A tiny checkpoint for each reward model, where the workflow looks for it."""
    for each in prompt.values():
        inputs = each["inputs"]
        family, name = inputs.get("reward"), inputs.get("reward.checkpoint")
        if each["class_type"] == "FlowSearchRewardLoader" and name is not None:
            folder = host.base / "models" / "rewards" / name
            if not folder.exists():
                folder.mkdir(parents=True)
                LOCAL[family].build(folder)


def picture(host, name):
    """A picture with a mask in its alpha channel, in the input folder."""
    rows = np.random.default_rng(0).integers(0, 255, (128, 128, 4), np.uint8)
    rows[..., 3] = 255
    rows[32:96, 32:96, 3] = 0
    Image.fromarray(rows).save(host.base / "input" / name)


def relink(prompt, old, new):
    """Every link from output `old` comes from `new` instead."""
    for each in prompt.values():
        for name, value in each["inputs"].items():
            if value == old:
                each["inputs"][name] = new


def small(host, prompt, server=None):
    """The prompt with small models, pictures and budgets, its files written."""
    prompt = copy.deepcopy(prompt)
    rewards(host, prompt)
    kinds = {each["class_type"]: name for name, each in prompt.items()}
    if "CLIPLoader" in kinds:
        wan(host, prompt, kinds)
    elif "UNETLoader" in kinds:
        prompt["tiny"] = node("FlowSearchDemoLoader", checkpoint="fast")
        for kind, slot in LOADERS.items():
            relink(prompt, [kinds[kind], 0], ["tiny", slot])
            del prompt[kinds[kind]]
    if scale := kinds.get("FluxKontextImageScale"):  # to a megapixel
        relink(prompt, [scale, 0], prompt.pop(scale)["inputs"]["image"])
    for each in prompt.values():
        inputs = each["inputs"]
        inputs |= {name: size for name, size in SIZES.items() if name in inputs}
        if each["class_type"] == "PrimitiveStringMultiline":
            inputs["value"] = CAPTION
        if each["class_type"] == "LoadImage":
            picture(host, inputs["image"])
        if each["class_type"] in ("FlowSearchScheduler", "BasicScheduler"):
            inputs["steps"] = 3
        if "reward.url" in inputs:
            inputs["reward.url"] = server
        if "budget" in inputs:
            inputs |= {"budget": 12, "finish_steps": min(1, inputs["finish_steps"])}
            inputs |= {"init_particles": 3} if "init_particles" in inputs else {}
    return prompt


def wan(host, prompt, kinds):
    """Video model and VAE from files; the stock text encoders cannot be small."""
    key = prompt[kinds["UNETLoader"]]["inputs"]
    host.run({"file": node("ProbeTinyCheckpoint", key=WAN), "extra": node("ProbeTinyExtras")})
    key["unet_name"] = f"{WAN}.safetensors"
    prompt[kinds["VAELoader"]]["inputs"]["vae_name"] = "clip.safetensors"
    prompt["tiny"] = node("ProbeTinyModel", key=WAN, loaded=True)
    for name in [n for n, each in prompt.items() if each["class_type"] == "CLIPTextEncode"]:
        relink(prompt, [name, 0], ["tiny", 1])
        del prompt[name]
    del prompt[kinds["CLIPLoader"]]
