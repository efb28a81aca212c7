"""The small models, as values and as files."""

import json
from pathlib import Path

import comfy.supported_models
import folder_paths

from . import build


class Model:
    """A small model with its condition, an empty latent, a picture, and the picture masked.

    `loaded`: the model itself comes from a file. Each `number` is a model of its own.
    """

    @classmethod
    def INPUT_TYPES(cls):
        required = {"key": (list(build.MODELS),), "loaded": ("BOOLEAN", {})}
        return {"required": required, "optional": {"number": ("INT", {})}}

    RETURN_TYPES = ("MODEL", "CONDITIONING", "LATENT", "LATENT", "LATENT")
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, key, loaded, number=0):
        """MODEL, CONDITIONING and three LATENTs.

        Args:
            key: the model.
            loaded: whether it comes from a file.
            number: another one is another model.
        """
        model = None if loaded else build.patcher(key)
        return (model, build.condition(key), *build.latents(key))


class Checkpoint:
    """Writes a small model as a file that the stock loader can load, once; or its weights scaled
    to eight bits."""

    @classmethod
    def INPUT_TYPES(cls):
        kinds = ["", *build.SCALED]
        return {"required": {"key": (list(build.MODELS),)}, "optional": {"scaled": (kinds,)}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, key, scaled=""):
        build.save(key, Path(folder_paths.get_folder_paths("diffusion_models")[0]), scaled)
        return {}


class Extras:
    """Writes a small LoRA and a small ControlNet for the small FLUX.1, and a small video VAE."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self):
        for kind, make in (("loras", build.lora), ("controlnet", build.control_net)):
            path = Path(folder_paths.get_folder_paths(kind)[0]) / "tiny.safetensors"
            build.write(make("FLUX.1 dev"), path)
        loras = Path(folder_paths.get_folder_paths("loras")[0])
        build.write(build.unet_lora("SDXL"), loras / "unet.safetensors")
        build.write(
            build.video_vae(), Path(folder_paths.get_folder_paths("vae")[0]) / "clip.safetensors"
        )
        return {}


class Classes:
    """The model classes that the host knows."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self):
        names = [cls.__name__ for cls in comfy.supported_models.models]
        return {"ui": {"probe": [json.dumps(names)]}}


class Loaded:
    """An output node: the class that the host took a model for, and how its weights are held."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, model):
        base = model.model
        held = {type(weight).__name__ for weight in base.parameters()}
        shown = {"class": type(base.model_config).__name__, "weights": sorted(held)}
        return {"ui": {"probe": [json.dumps(shown)]}}


NODES = {
    "ProbeTinyModel": Model,
    "ProbeTinyCheckpoint": Checkpoint,
    "ProbeTinyExtras": Extras,
    "ProbeTinyClasses": Classes,
    "ProbeLoaded": Loaded,
}
