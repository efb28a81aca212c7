"""The models and rewards that `python dev.py check` knows, and their prompts.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .demo_runs import PROMPTS as DEMO_PROMPTS
from .saved_workflow import DYNAMIC, Prompt

PROMPTS = (
    "two black cats and three white dogs on a red sofa",
    "a green cube on top of a blue sphere, left of a yellow cone",
    "four bicycles in front of a shop with a wooden door and a round window",
)
# The first of these whose files are there. Those that read the prompt best come first.
REWARDS = ("vqascore", "vqascore_vlm", "object_count", "hps_v3", "image_reward", "hps_v2",
           "clip_score")  # fmt: skip
NO_FILE = "no file yet"  # begins the only choice of a family without files


@dataclass(frozen=True)
class Part:
    """A loader node, and what its files are called.

    Args:
        kind: node id.
        files: for each input the pattern of its file's name, any case.
        fixed: its other inputs.
    """

    kind: str
    files: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, str] = field(default_factory=dict)

    def inputs(self, info: dict) -> dict | None:
        """The node's inputs with files that are there; None if one is missing.

        Args:
            info: the server's /object_info.
        """
        chosen = dict(self.fixed)
        for name, pattern in self.files.items():
            files = choices(info[self.kind]["input"]["required"][name])
            fitting = [file for file in files if re.search(pattern, file, re.IGNORECASE)]
            if not fitting:
                return None
            chosen[name] = fitting[0]
        return chosen


@dataclass(frozen=True)
class Recipe:
    """A model with its usual settings.

    Args:
        title: its name.
        files: what it needs, in words.
        model: loads the network, or a whole checkpoint.
        clip: loads the text encoder; None: the checkpoint has it.
        vae: loads the decoder; None: the checkpoint has it.
        steps: of one plain image.
        cfg: guidance scale; 1 needs no second evaluation.
        guidance: of a model that was distilled with one; 0 for none.
        side: pixels.
        latent: the node of an empty latent.
    """

    title: str
    files: str
    model: Part
    clip: Part | None = None
    vae: Part | None = None
    steps: int = 20
    cfg: float = 1.0
    guidance: float = 0.0
    side: int = 1024
    latent: str = "EmptySD3LatentImage"

    @property
    def parts(self) -> dict[str, Part]:
        """The loaders by name."""
        roles = {"model": self.model, "clip": self.clip, "vae": self.vae}
        return {role: part for role, part in roles.items() if part is not None}

    def loaders(self, info: dict) -> Prompt | None:
        """The loader nodes with files that are there; None if one is missing.

        Args:
            info: the server's /object_info.
        """
        inputs = {role: part.inputs(info) for role, part in self.parts.items()}
        if None in inputs.values():
            return None
        return {r: {"class_type": self.parts[r].kind, "inputs": i} for r, i in inputs.items()}


FLUX_CLIP = Part("DualCLIPLoader", {"clip_name1": "clip_l", "clip_name2": "t5xxl"},
                 {"type": "flux"})  # fmt: skip
FLUX_VAE = Part("VAELoader", {"vae_name": r"(^|[\\/])ae\.|flux.*vae"})
ALL_IN_ONE = "CheckpointLoaderSimple"
FLUX_TEXT = "clip_l and t5xxl in text_encoders, ae.safetensors in vae"
AS_IT_IS = {"weight_dtype": "default"}
RECIPES = (
    Recipe(
        "FLUX.1-schnell", f"flux1-schnell in diffusion_models, {FLUX_TEXT}",
        Part("UNETLoader", {"unet_name": "flux.*schnell"}, AS_IT_IS), FLUX_CLIP, FLUX_VAE, steps=4,
    ),
    Recipe(
        "FLUX.1-schnell, one file", "flux1-schnell in checkpoints",
        Part(ALL_IN_ONE, {"ckpt_name": "flux.*schnell"}), steps=4,
    ),
    Recipe(
        "FLUX.1-dev", f"flux1-dev in diffusion_models, {FLUX_TEXT}",
        Part("UNETLoader", {"unet_name": r"flux\.?1.*dev(?!.*(fill|kontext))"}, AS_IT_IS),
        FLUX_CLIP, FLUX_VAE, guidance=3.5,
    ),
    Recipe(
        "FLUX.1-dev, one file", "flux1-dev in checkpoints",
        Part(ALL_IN_ONE, {"ckpt_name": "flux.*dev"}), guidance=3.5,
    ),
    Recipe(
        "Z-Image-Turbo",
        "z_image_turbo in diffusion_models, qwen_3_4b in text_encoders, ae.safetensors in vae",
        Part("UNETLoader", {"unet_name": "z.?image.*turbo"}, AS_IT_IS),
        Part("CLIPLoader", {"clip_name": "qwen.?3.*4b"}, {"type": "lumina2"}), FLUX_VAE, steps=8,
    ),
    Recipe(
        "Qwen-Image",
        "qwen_image in diffusion_models and in vae, qwen_2.5_vl_7b in text_encoders",
        Part("UNETLoader", {"unet_name": "qwen.?image(?!.*edit)"}, AS_IT_IS),
        Part("CLIPLoader", {"clip_name": "qwen.?2.5.*vl"}, {"type": "qwen_image"}),
        Part("VAELoader", {"vae_name": "qwen.?image"}), cfg=2.5,
    ),
    Recipe(
        "SD3.5, one file", "sd3.5 with its text encoders in checkpoints",
        Part(ALL_IN_ONE, {"ckpt_name": r"sd3\.5"}), cfg=4.0,
    ),
)  # fmt: skip
DEMO = Recipe(
    "the demo model", "nothing", Part("FlowSearchDemoLoader", fixed={"checkpoint": "fast"}),
    steps=4, side=128,
)  # fmt: skip


def choices(spec: list) -> list:
    """The choices of an input that has some."""
    return spec[0] if isinstance(spec[0], list) else spec[1].get("options", [])


def chosen_recipe(info: dict) -> tuple[Recipe, Prompt] | None:
    """The first model whose files are there, with its loaders; None if there is none.

    Args:
        info: the server's /object_info.
    """
    complete = ((recipe, recipe.loaders(info)) for recipe in RECIPES)
    return next(((recipe, nodes) for recipe, nodes in complete if nodes), None)


def chosen_reward(info: dict) -> dict | None:
    """Inputs of the reward loader for the first of REWARDS whose files are there, else None.

    Args:
        info: the server's /object_info.
    """
    spec = info["FlowSearchRewardLoader"]["input"]["required"]["reward"]
    assert spec[0] == DYNAMIC
    families = {option["key"]: option["inputs"]["required"] for option in spec[1]["options"]}
    for name in REWARDS:
        inputs = {f"reward.{key}": first_choice(spec) for key, spec in families[name].items()}
        if None not in inputs.values():
            return {"reward": name} | inputs
    return None


def first_choice(spec: list) -> object:
    """The default of an input, or the first of its choices; None if there are none."""
    options = spec[1] if len(spec) > 1 else {}
    files = [choice for choice in choices(spec) if not choice.startswith(NO_FILE)]
    return options.get("default", files[0] if files else None)


def needs() -> str:
    """What the check looks for, a line each."""
    return "\n".join(f"  {recipe.title}: {recipe.files}" for recipe in RECIPES)


def prompts_of(recipe: Recipe) -> tuple[str, ...]:
    """Three prompts that suit the model."""
    return DEMO_PROMPTS[:3] if recipe is DEMO else PROMPTS
