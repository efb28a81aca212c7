"""Example workflows made small: tiny weights under the names that the workflow loads."""

import copy
import shutil
from pathlib import Path

import numpy as np
import torch
from pack.tools.probing.graphs import CAPTION, node
from PIL import Image
from safetensors.torch import load_file, save_file

from ...rewards.families import LOCAL

WAN, LTX = "Wan 2.1 T2V", "LTX-2 (sound and video)"
SIZES = {"width": 128, "height": 128, "length": 5}
TEXT_ENCODERS = ("CLIPLoader", "DualCLIPLoader")
DEMO = Path(__file__).resolve().parents[3] / "demo"


def rewards(host, prompt):
    """A tiny checkpoint for each reward model, where the workflow looks for it."""
    for each in prompt.values():
        inputs = each["inputs"]
        family, name = inputs.get("reward"), inputs.get("reward.checkpoint")
        if each["class_type"] == "FlowSearchRewardLoader" and name is not None:
            build, names = LOCAL[family]
            is_file = names["checkpoint"] != "."
            folder = host.base / "models" / "rewards" / (family if is_file else name)
            if not folder.exists():
                folder.mkdir(parents=True)
                build(folder)
            if is_file:
                inputs |= {f"reward.{key}": f"{family}/{file}" for key, file in names.items()}
            if family == "text_reader":
                inputs["reward.text"] = "OPEN"


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
    if "EmptyHunyuanLatentVideo" in kinds:
        wan(host, prompt, kinds)
    elif "LTXVAudioVAELoader" in kinds:
        ltx(prompt, kinds)
    elif "UNETLoader" in kinds:
        flux(host, prompt, kinds)
    elif "CheckpointLoaderSimple" in kinds:
        whole(prompt, kinds["CheckpointLoaderSimple"])
    if scale := kinds.get("FluxKontextImageScale"):  # to a megapixel
        relink(prompt, [scale, 0], prompt.pop(scale)["inputs"]["image"])
    for each in prompt.values():
        inputs = each["inputs"]
        inputs |= {name: size for name, size in SIZES.items() if name in inputs}
        if each["class_type"] == "PrimitiveStringMultiline":
            inputs["value"] = CAPTION
        if each["class_type"] == "CLIPTextEncode" and isinstance(inputs["text"], str):
            inputs["text"] = CAPTION  # the demo model knows few words
        if each["class_type"] == "LoadImage":
            picture(host, inputs["image"])
        if each["class_type"] in ("FlowSearchScheduler", "BasicScheduler"):
            inputs["steps"] = 3
        if each["class_type"] == "EmptyFlux2LatentImage":  # of another latent than the demo model's
            each["class_type"] = "EmptySD3LatentImage"
        if "effort" in inputs:
            inputs |= {"steps": 3, "effort": 4}
        if "reward.url" in inputs:
            inputs["reward.url"] = server
        if "budget" in inputs:
            inputs |= {"budget": 12, "finish_steps": min(1, inputs["finish_steps"])}
            inputs |= {"init_particles": 3} if "init_particles" in inputs else {}
    return prompt


def put(host, folder, name, made):
    """A file of weights where the stock loader finds it; once, as the host may have it mapped."""
    path = host.base / "models" / folder / name
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        shutil.copy(made, path)


def autoencoder(host):
    """The demo's, in the one file that the stock loader wants."""
    path = host.base / "autoencoder.safetensors"
    halves = {
        f"taesd_{half}.{key}": weight
        for half in ("encoder", "decoder")
        for key, weight in load_file(DEMO / f"taef1_{half}.safetensors").items()
    }
    scale = {"vae_scale": torch.tensor(0.3611), "vae_shift": torch.tensor(0.1159)}  # FLUX's own
    save_file(halves | scale, path)
    return path


def flux(host, prompt, kinds):
    """The demo's weights under the workflow's names; the stock text encoders cannot be small."""
    model, vae = (prompt[kinds[kind]]["inputs"] for kind in ("UNETLoader", "VAELoader"))
    put(host, "diffusion_models", model["unet_name"], DEMO / "flux_fast.safetensors")
    put(host, "vae", vae["vae_name"], autoencoder(host))
    if "LoraLoaderModelOnly" in kinds:
        host.run({"extra": node("ProbeTinyExtras")})
        (lora,) = (host.base / "models" / "loras").glob("tiny.safetensors")
        put(host, "loras", prompt[kinds["LoraLoaderModelOnly"]]["inputs"]["lora_name"], lora)
    prompt["tiny"] = node("FlowSearchDemoLoader", checkpoint="fast")
    for name in [n for n, each in prompt.items() if each["class_type"] in TEXT_ENCODERS]:
        judges = [e for e in prompt.values() if e["inputs"].get("reward.clip") == [name, 0]]
        if judges:
            prompt[name] = node("ProbeTinyVLM")
        else:
            relink(prompt, [name, 0], ["tiny", 1])
            del prompt[name]


def whole(prompt, checkpoint):
    """The demo model in the place of a checkpoint."""
    prompt["tiny"] = node("FlowSearchDemoLoader", checkpoint="fast")
    for slot in range(3):
        relink(prompt, [checkpoint, slot], ["tiny", slot])
    del prompt[checkpoint]


def wan(host, prompt, kinds):
    """Video model and VAE likewise; their text embeddings are given."""
    vae = prompt[kinds["VAELoader"]]["inputs"]
    host.run({"file": node("ProbeTinyCheckpoint", key=WAN), "extra": node("ProbeTinyExtras")})
    (network,) = (host.base / "models").rglob(f"{WAN}.safetensors")
    (lora,) = (host.base / "models" / "loras").glob("tiny.safetensors")
    files = {"unet_name": ("diffusion_models", network), "lora_name": ("loras", lora)}
    for name, (folder, made) in files.items():
        for each in [e["inputs"] for e in prompt.values() if name in e["inputs"]]:
            put(host, folder, each[name], made)
    (clips,) = (host.base / "models").rglob("clip.safetensors")
    put(host, "vae", vae["vae_name"], clips)
    prompt["tiny"] = node("ProbeTinyModel", key=WAN, loaded=True)
    for name in [n for n, each in prompt.items() if each["class_type"] == "CLIPTextEncode"]:
        relink(prompt, [name, 0], ["tiny", 1])
        del prompt[name]
    del prompt[kinds["CLIPLoader"]]


def ltx(prompt, kinds):
    """Video and sound model likewise; the probe's decoders take any latent."""
    prompt["tiny"] = node("ProbeTinyModel", key=LTX, loaded=False)
    prompt["decoder"], prompt["heard"] = node("ProbeTinyVAE"), node("ProbeTinyAudioVAE")
    for name in [n for n, each in prompt.items() if each["class_type"] == "CLIPTextEncode"]:
        relink(prompt, [name, 0], ["tiny", 1])
        del prompt[name]
    loader, sound = kinds["CheckpointLoaderSimple"], kinds["LTXVAudioVAELoader"]
    for old, new in (([loader, 0], "tiny"), ([loader, 2], "decoder"), ([sound, 0], "heard")):
        relink(prompt, old, [new, 0])
    for name in (loader, sound, kinds["LTXAVTextEncoderLoader"]):
        del prompt[name]
