"""Search KSampler: a drop-in for KSampler, with one number for how long it may take."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from comfy_api.latest import io

from ..samplers.search.auto import Auto
from .run.default_reward import CLIP, WHY, clip_reward, with_clip
from .run.inputs import shared_inputs
from .run.ksampler import KSamplerSettings, check_vae, ksampler_inputs
from .run.plan import MethodChoice
from .run.search_node import respond, schema


class SearchKSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        effort = io.Int.Input(
            "effort",
            default=25,
            min=2,
            max=100_000,
            optional=True,
            tooltip="Compute for each image of the batch: 25 takes as long as 25 images of "
            "KSampler.",
        )
        vae, reward, prompt = shared_inputs("vae", "reward", "prompt")
        # A KSampler that was replaced has none of them. Without a VAE, the error is on the panel.
        vae.optional = reward.optional = prompt.optional = True
        vae.tooltip = "Decodes every particle for the reward. Connect the VAE of the model."
        reward.tooltip = (
            "What the search maximises. Empty: the CLIP of the prompt judges, if it can look at "
            "images."
        )
        (compare,) = shared_inputs("compare")
        compare.default, compare.advanced = True, None
        compare.tooltip = (
            "Also make KSampler's own image, which is the result if it scores highest. It takes "
            "one image of the effort."
        )
        top_k, replay = shared_inputs("top_k", "replay")
        top_k.optional = True
        top_k.tooltip = "Images to return, best first. The output latent holds the best alone."
        experts = shared_inputs("model_low", "boundary")
        made = schema(
            "FlowSearchKSampler",
            "Search KSampler",
            "Replaces KSampler: finds an image that scores higher on the reward. effort says how "
            "long it may take.",
            [*ksampler_inputs(), vae, reward, effort, prompt, compare, top_k, replay, *experts],
        )
        made.enable_expand = True  # as it does without a reward
        return made

    @classmethod
    def execute(
        cls, model: Any, positive: Any, negative: Any, seed: int = 0, **inputs: Any
    ) -> io.NodeOutput:
        check_vae(inputs.get("vae"))
        clip, why = inputs.pop(CLIP, None), ""
        if inputs.get("reward") is None:
            if clip is None:
                return with_clip(cls, inputs)
            inputs["reward"], why = clip_reward(clip), WHY
        names = {f.name for f in fields(KSamplerSettings)}
        settings = KSamplerSettings(**{n: inputs.pop(n) for n in names & inputs.keys()})
        inputs |= settings.search_inputs(model, positive, negative, seed)
        entries = {"method": "auto"} | asdict(settings)
        return respond(cls, MethodChoice("auto", Auto(), entries, why), inputs)
