"""A second MODEL of a search: a guider for it, and the sampling of several guiders at once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.samplers import KSAMPLER
from torch import Tensor

from ...samplers.purse import Purse
from .clock import clock_of
from .frames import takes_frames, to_frames, to_videos
from .guiders import METHODS, check_memory, conditions
from .network import Network, Turn
from .packed import Latents, check_packed

TEXT_WIDTHS = (
    "context_in_dim",
    "cap_feat_dim",
    "context_dim",
)  # read from a checkpoint's weights by the host
WHOLE = (0.0, 1.0)  # of the schedule, from start to end
Search = Callable[[Tensor, Mapping[str, Network]], Tensor]


def second_guider(guider: Any, model: ModelPatcher, name: str) -> Any:
    """The guider once more, with its conditioning and CFG, but with another model.

    Args:
        guider: of the search.
        model: the MODEL of the input.
        name: of the input.

    Raises:
        ValueError: the model or the guider cannot be used so. The message says why.
    """
    check_model(guider.model_patcher, model, name)
    check_conditions(guider, name)
    second = copy.copy(guider)
    attributes = getattr(guider, "__dict__", {})
    if second is guider or any(
        key in METHODS or (key != "model_patcher" and holds_model(value))
        for key, value in attributes.items()
    ):
        raise ValueError(
            f"This guider cannot take {name}: got {type(guider).__name__}, which is tied to its "
            f"model, expected a guider of ComfyUI. Disconnect {name}."
        )
    second.model_patcher, second.model_options = model, model.model_options
    check_memory(second)
    return second


def holds_model(value: Any) -> bool:
    """Whether a value is a model or a guider, or a collection with one."""
    values = value.values() if isinstance(value, dict) else value
    parts = values if isinstance(value, dict | list | tuple) else [value]
    return any(isinstance(part, ModelPatcher) or hasattr(part, "model_patcher") for part in parts)


def check_model(first: ModelPatcher, second: ModelPatcher, name: str) -> None:
    """Refuse a model that cannot take the latents and the conditioning of the guider's model.

    Args:
        first: of the guider.
        second: of the input.
        name: of the input.
    """
    got, expected = latent_space(second), latent_space(first)
    if got != expected:
        raise ValueError(
            f"{name} has other latents than the guider's model: got {got}, expected {expected}. "
            "Choose a model of the same family."
        )
    try:
        clock_of(second.get_model_object("model_sampling"))
    except ValueError as error:
        raise ValueError(f"{name} cannot be used. {error}") from error
    got, expected = family(second), family(first)
    if got != expected:
        raise ValueError(
            f"{name} takes another conditioning than the guider's model: got {got}, expected "
            f"{expected}. Choose a model of the same family."
        )
    if second.load_device != first.load_device:
        raise ValueError(
            f"{name} is on another device: got {second.load_device}, expected "
            f"{first.load_device}, as the guider's model."
        )


def latent_space(model: ModelPatcher) -> str:
    """The format, channels and noise of a model's latents."""
    latents, sampling = (model.get_model_object(n) for n in ("latent_format", "model_sampling"))
    noise = getattr(sampling, "noise_scale", 1.0)
    scaled = "" if noise == 1.0 else f" of noise scale {noise:g}"
    return f"{type(latents).__name__} with {latents.latent_channels} channels{scaled}"


def family(model: ModelPatcher) -> str:
    """The host's name for an architecture, and the width of its text embeddings where it varies."""
    config = model.model.model_config.unet_config
    unet = "SVD" if takes_frames(model.model) else "UNet"
    widths = [f" with text of width {config[key]}" for key in TEXT_WIDTHS if key in config]
    return f"{config.get('image_model') or unet}{''.join(widths)}"


def check_conditions(guider: Any, name: str) -> None:
    """Refuse conditions that the host prepares for one model at a time.

    Args:
        guider: of the search.
        name: of the input.
    """
    for cond in (cond for entries in conditions(guider).values() for cond in entries):
        control, tied = cond.get("control"), "a hook" if cond.get("hooks") else ""
        while control is not None:
            if tuple(control.timestep_percent_range) != WHOLE:
                tied = "a ControlNet for a part of the steps"
            control = control.previous_controlnet
        if tied:
            raise ValueError(
                f"The conditioning fits one model only: got {tied}, expected none with {name}. "
                f"Remove it, or disconnect {name}."
            )


@dataclass(frozen=True)
class Sampling:
    """One call of `guider.sample` inside another, so that the host prepares all of their models.

    Args:
        guiders: by the name of their model, the search's own first. Equal ones are sampled once.
        purse: pays the evaluations of all.
        noise: (1,*D), or its parts.
        samples: the latent to start from, alike.
        sigmas: falling.
        mask: its part of the noise mask.
        seed: of the noise.
        turn: which model was loaded last.
        devices: that share the rows of a call.
        whole: whole trajectories are walked, one at a time.
    """

    guiders: Mapping[str, Any]
    purse: Purse
    noise: Latents
    samples: Latents
    sigmas: Tensor
    mask: Latents | None
    seed: int
    turn: Turn = field(default_factory=Turn)
    devices: int = 1
    whole: bool = False

    def run(self, search: Search) -> Latents:
        """The latent that a search finds, as the host's samplers return it.

        Args:
            search: (what the host gives the first guider's sampler, networks by name) -> (1,*D).
        """
        return self._inside(search, None, {})

    def _inside(
        self, search: Search, start: Tensor | None, networks: dict[str, Network]
    ) -> Latents:
        """Enter the next guider's sampling, or search if there is none left."""
        if len(networks) == len(self.guiders):
            return search(start, networks)
        name, guider = list(self.guiders.items())[len(networks)]
        for key, network in networks.items():
            if self.guiders[key] is guider:
                return self._inside(search, start, networks | {name: network})
        base = guider.model_patcher.model
        results: list[Tensor] = []

        def sampler(
            model: Any,
            x: Tensor,
            sigmas: Tensor,
            extra_args: dict[str, Any],
            callback: Any = None,
            disable: bool | None = None,
        ) -> Tensor:
            check_packed(guider, self.samples)
            settings = True, name, self.turn, self.devices, self.whole
            made = Network(model, extra_args, self.purse, *settings)
            with closing(made) as network:
                first = to_videos(base, x) if start is None else start
                results.append(self._inside(search, first, networks | {name: network}))
            return to_frames(base, results[0])

        latent = guider.sample(
            to_frames(base, self.noise),
            to_frames(base, self.samples),
            KSAMPLER(sampler),
            self.sigmas,
            denoise_mask=self.mask,
            callback=lambda *step: None,  # the bar is ours
            disable_pbar=True,
            seed=self.seed,
        )
        return results[0] if networks else to_videos(base, latent)
