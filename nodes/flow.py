"""The host's flow models seen from the searches: x0 predictions, noise, NFE, boundary checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management as mm
import comfy.model_sampling
import torch
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key
from torch import Tensor

from ..samplers.ledger import Ledger

INVERTED_FLOW = getattr(comfy.model_sampling, "IMG_TO_IMG_FLOW", ())  # absent before 0.18


def check_flow(model_sampling: Any) -> None:
    """Raise unless x_t = (1-t) x0 + t eps with t = sigma (the host's CONST)."""
    if not isinstance(model_sampling, comfy.model_sampling.CONST) or isinstance(
        model_sampling, INVERTED_FLOW
    ):
        kinds = [cls.__name__ for cls in type(model_sampling).__mro__[1:3]]
        raise ValueError(
            "Flow Search needs a rectified-flow model (FLUX, SD3.5, Qwen-Image, Wan…); this model "
            f"samples with {' and '.join(kinds)}."
        )


def check_sigmas(sigmas: Tensor) -> list[float]:
    """Sigmas as floats: at least two, falling strictly within [0, 1]."""
    values = [float(s) for s in sigmas]
    if len(values) < 2:
        raise ValueError(
            f"{len(values)} sigmas given, wanted at least 2: is the scheduler's denoise 0, or its "
            "part of a split empty?"
        )
    falling = all(a > b for a, b in zip(values, values[1:], strict=False))
    if not falling or values[0] > 1.0 or values[-1] < 0.0:
        raise ValueError(
            f"sigmas {[round(v, 4) for v in values]} given, wanted values falling strictly from at "
            "most 1 to at least 0, as a flow model's scheduler gives."
        )
    return values


def check_latent(latent: dict[str, Any]) -> Tensor:
    """The latent's samples, refused when packed or not finite."""
    samples = latent["samples"]
    if samples.is_nested:
        raise ValueError(
            "A packed audio-video latent was given, wanted a plain latent of one picture or clip: "
            "its parts cannot be searched as one."
        )
    if bad := int((~torch.isfinite(samples)).sum()):
        raise ValueError(
            f"latent_image holds {bad} values that are NaN or infinite, wanted finite numbers only."
        )
    return samples


def nfe_per_particle(guider: Any) -> int:
    """Network rows one latent costs: one per positive condition, and as many as the guider adds.

    An upper bound where conditions are scheduled over time or areas.
    """
    conds = {name: len(entries) for name, entries in guider.original_conds.items()}
    skips = not guider.model_options.get("disable_cfg1_optimization", False)
    if skips and math.isclose(guider.cfg, 1.0) and set(conds) <= {"positive", "negative"}:
        conds.pop("negative", None)
    return max(1, sum(conds.values()))


class Network:
    """x0 predictions of the host's model inside `guider.sample`, charged as they happen.

    `model` is the KSamplerX0Inpaint that a KSAMPLER hands to its function; all rows of one call
    share their time, as the host reads only the first one's.
    """

    def __init__(self, model: Any, extra_args: dict[str, Any], ledger: Ledger) -> None:
        self.model, self.extra_args, self.ledger = model, extra_args, ledger
        self.base = model.inner_model.inner_model
        check_flow(self.base.model_sampling)
        add_wrapper_with_key(
            WrappersMP.APPLY_MODEL,
            "flow_search_nfe",
            self._count,
            extra_args["model_options"],
            is_model_options=True,
        )

    def _count(self, execute: Callable, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        self.ledger.charge(len(x), 1)
        return execute(x, *args, **kwargs)

    def __call__(self, x: Tensor, t: float) -> Tensor:
        before = self.ledger.nfe
        x0 = self.model(x, x.new_full((len(x),), t), **self.extra_args)
        self.ledger.cost = max(self.ledger.cost, math.ceil((self.ledger.nfe - before) / len(x)))
        return x0

    def noise(self, source: Callable[[Sequence[int]], Tensor]) -> Callable:
        """`source` at the model's own noise scale."""
        scale = getattr(self.base.model_sampling, "noise_scale", 1.0)
        return lambda ids: scale * source(ids)

    def starts(
        self, x: Tensor, t: float, source: Callable[[Sequence[int]], Tensor]
    ) -> Callable[[Sequence[int]], Tensor]:
        """ids -> latents at time t: the host's own rows `x` first, then addressed noise."""

        def start(ids: Sequence[int]) -> Tensor:
            own = [i for i in ids if i < len(x)]
            new = [i for i in ids if i >= len(x)]
            if not new:
                return x[own]
            latent, sigma = self.model.latent_image, torch.tensor(t, device=x.device)
            fresh = self.base.model_sampling.noise_scaling(sigma, source(new), latent)
            return torch.cat([x[own], fresh])

        return start


def stop_if_interrupted() -> None:
    mm.throw_exception_if_processing_interrupted()
