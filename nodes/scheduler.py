"""VP Flow Scheduler: sigmas that divide the time of an interpolant into steps."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..samplers.interpolants import INTERPOLANTS
from ..samplers.schedules import SPACINGS, model_times
from .host.clock import Clock, clock_of
from .schema import CATEGORY, build, combo, nested


class VPFlowScheduler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchScheduler",
            display_name="VP Flow Scheduler",
            category=CATEGORY,
            description="Makes sigmas, spaced in the time of an interpolant. Works with any "
            "sampler.",
            search_aliases=["vp schedule", "flow sigmas"],
            inputs=[
                io.Int.Input(
                    "steps",
                    default=10,
                    min=1,
                    max=1000,
                    tooltip="More steps reach lower noise but spread the budget thinner. A "
                    "particle costs 1 NFE per step, 5 with lookahead.",
                ),
                io.Combo.Input(
                    "spacing",
                    options=list(SPACINGS),
                    default="exp",
                    tooltip="exp, the paper's choice, has small first steps, which decide the "
                    "layout. linear has equal steps.",
                ),
                combo(
                    "interpolant",
                    INTERPOLANTS,
                    "Interpolant whose time is divided into steps. Use the same as in the sampler.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="Below 1, sampling starts from the sampler's latent. Lower values "
                    "keep the result closer to that latent.",
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="Model whose sigmas these are. Diffusion models (SDXL, SD 1.5) and "
                    "Cosmos need it. On other models it changes nothing.",
                ),
            ],
            outputs=[io.Sigmas.Output()],
        )

    @classmethod
    def execute(
        cls,
        steps: int = 10,
        spacing: str = "exp",
        interpolant: dict[str, Any] | None = None,
        denoise: float = 1.0,
        model: Any = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        interpolant = nested("interpolant", interpolant, unknown)
        path = build("interpolant", INTERPOLANTS, interpolant)
        clock = clock_of(model.get_model_object("model_sampling")) if model else Clock()
        times = model_times(steps, spacing, path, denoise, clock.noisiest)
        sigmas = torch.tensor([clock.sigma(t) for t in times])
        if (sigmas[1:] >= sigmas[:-1]).any():
            raise ValueError(
                f"The sigmas are too close for float32: got {steps} steps with spacing {spacing} "
                f"on {path}, expected different sigmas. Use fewer steps, linear spacing, or a "
                "lower exponent or beta_max."
            )
        return io.NodeOutput(sigmas)
