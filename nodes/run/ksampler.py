"""KSampler's settings as the inputs of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from comfy.samplers import CFGGuider, KSampler, sampler_object
from comfy_api.latest import io
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
from torch import Tensor

from ...samplers.guidance import Unguided
from ..host.guiders import nfe_per_particle
from ..host.kernel import FlowSampler, Guide
from ..host.kernel_settings import read_kernel
from ..host.packed import has_own_sigmas
from ..schema import brief, check_wired

OURS = "vp_sde"
BRANCHES = (OURS, "euler")  # Euler's steps are those of our sampler without noise
FINISH = 2  # steps at most: where a model needs more, the automatic lookahead takes them


def ksampler_inputs() -> list[io.Input]:
    """KSampler's inputs with its names, order and ranges, so that links and values stay."""
    return [
        io.Model.Input("model", tooltip="The model that makes the images."),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip="Decides every particle's noise.",
        ),
        io.Int.Input(
            "steps",
            default=20,
            min=1,
            max=10_000,
            tooltip="Steps of a normal image, as in KSampler.",
        ),
        io.Float.Input(
            "cfg",
            default=8.0,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            tooltip="Guidance, as in KSampler. Other than 1 doubles the cost of each step.",
        ),
        io.Combo.Input(
            "sampler_name",
            options=[OURS, *KSampler.SAMPLERS],
            default=OURS,
            tooltip="With vp_sde or euler the search can branch on the way. Any other sampler "
            "makes whole images.",
        ),
        io.Combo.Input(
            "scheduler",
            options=list(KSampler.SCHEDULERS),
            tooltip="How the noise falls over the steps, as in KSampler.",
        ),
        io.Conditioning.Input("positive", tooltip="What the image should show."),
        io.Conditioning.Input("negative", tooltip="What the image should not show."),
        io.Latent.Input("latent_image", tooltip="Size of the image, or the image to start from."),
        io.Float.Input(
            "denoise",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="Below 1 the search starts from latent_image, as in KSampler.",
        ),
    ]


@dataclass(frozen=True)
class KSamplerSettings:
    """The settings of KSampler that are no connections, and the effort. A report lists them.

    Args:
        effort: normal images whose compute a search may take.
        steps, cfg, sampler_name, scheduler, denoise: as in KSampler.
    """

    effort: int = 25
    steps: int = 20
    cfg: float = 8.0
    sampler_name: str = OURS
    scheduler: str = KSampler.SCHEDULERS[0]
    denoise: float = 1.0

    def search_inputs(
        self, model: Any, positive: list[Any], negative: list[Any], seed: int
    ) -> dict[str, Any]:
        """Inputs of a search that samples as KSampler does.

        Args:
            model, positive, negative, seed: of KSampler.

        Raises:
            ValueError: the host has no such sampler or scheduler, or a connection is none.
        """
        check_wired(model=model)
        guider = CFGGuider(model)
        guider.set_conds(checked("positive", positive), checked("negative", negative))
        guider.set_cfg(self.cfg)
        return {
            "noise": Noise_RandomNoise(seed),
            "guider": guider,
            "sampler": self.sampler(model),
            "sigmas": self.sigmas(model),
            "budget": self.effort * self.steps * nfe_per_particle(guider),
            "finish_steps": min(FINISH, self.steps),
        }

    def sampler(self, model: Any) -> Any:
        """The SAMPLER for a MODEL: ours where the search can branch, else the host's."""
        if self.sampler_name in BRANCHES:
            if has_own_sigmas(model.model):
                return sampler_object("euler")
            kernel, entries = read_kernel("eta", {"interpolant": "vp"})
            guide = Guide(Unguided(), None, None, "")
            return FlowSampler(kernel, guide, entries | {"guidance": "none"})
        if self.sampler_name not in KSampler.SAMPLERS:
            raise ValueError(
                f"Unknown sampler_name: got {brief(self.sampler_name)}, expected {OURS} or one of "
                "KSampler."
            )
        return sampler_object(self.sampler_name)

    def sigmas(self, model: Any) -> Tensor:
        """KSampler's sigmas for a MODEL.

        Raises:
            ValueError: the host has no such scheduler, or nothing is left to denoise.
        """
        if not self.denoise > 0.0:
            raise ValueError(
                f"denoise leaves nothing to search: got {self.denoise:g}, expected more than 0. "
                "KSampler would return latent_image as it is."
            )
        if self.scheduler not in KSampler.SCHEDULERS:
            raise ValueError(
                f"Unknown scheduler: got {brief(self.scheduler)}, expected one of KSampler."
            )
        name = "euler" if self.sampler_name == OURS else self.sampler_name
        cpu = torch.device("cpu")
        return KSampler(model, self.steps, cpu, name, self.scheduler, self.denoise).sigmas


def checked(name: str, conditioning: Any) -> list[Any]:
    """A CONDITIONING. Raises ValueError for a plain value in its place."""
    if not isinstance(conditioning, list) or not all(isinstance(c, list) for c in conditioning):
        raise ValueError(
            f"{name} is not connected: got {brief(conditioning)}, expected a connection."
        )
    return conditioning


def check_vae(vae: Any) -> None:
    """Refuse a missing VAE, with the first step to mend it."""
    if vae is None:
        raise ValueError(
            "No VAE is connected: got none, expected that of the model. Connect the VAE of the "
            "loader to vae."
        )
