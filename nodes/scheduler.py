"""VP Flow Scheduler: SIGMAS written on a path's clock."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..samplers.interpolants import INTERPOLANTS
from ..samplers.schedules import SPACINGS, model_times
from .schema import CATEGORY, build, combo, nested


class VPFlowScheduler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchScheduler",
            display_name="VP Flow Scheduler",
            category=CATEGORY,
            description="Sigmas for flow models on the clock of a path; works with any sampler.",
            search_aliases=["vp schedule", "flow sigmas"],
            inputs=[
                io.Int.Input(
                    "steps",
                    default=10,
                    min=1,
                    max=1000,
                    tooltip="Steps of the search. Each candidate costs 1 NFE, 5 where the search "
                    "looks ahead; more steps spread the same budget thinner but go to lower noise.",
                ),
                io.Combo.Input(
                    "spacing",
                    options=list(SPACINGS),
                    default="exp",
                    tooltip="exp is the paper's: small first steps, where the layout is decided, "
                    "large last ones. linear is even on the path's clock.",
                ),
                combo(
                    "interpolant",
                    INTERPOLANTS,
                    "Path whose clock is divided; use the sampler's. VP spends most steps at "
                    "high noise.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="Below 1 starts from the given latent (image to image): the lower, "
                    "the closer the result stays to it.",
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
        **unknown: Any,
    ) -> io.NodeOutput:
        interpolant = nested("interpolant", interpolant, unknown)
        path = build("interpolant", INTERPOLANTS, interpolant)
        sigmas = torch.tensor(model_times(steps, spacing, path, denoise))
        if (sigmas[1:] >= sigmas[:-1]).any():
            raise ValueError(
                f"{steps} steps with spacing {spacing} on {path} lie closer together than float32 "
                "can tell, wanted fewer steps, linear spacing, or a lower exponent or beta_max."
            )
        return io.NodeOutput(sigmas)
