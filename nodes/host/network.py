"""The host's flow models seen from the searches: x0 predictions, noise, NFE, boundary checks."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management as mm
import torch
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key
from comfy.sampler_helpers import get_additional_models
from torch import Tensor

from ...samplers.batching import OneAtATime, OutOfMemory
from ...samplers.purse import BudgetExceeded, Purse
from ..schema import brief
from .caches import BlockWatch, Mixed, StepCache
from .clock import Clock, clock_of
from .memory import make_room, out_of_memory
from .passing import Passing

log = logging.getLogger("flow_search")
DRAWN = 1024  # rows of noise between two looks at whether the run was cancelled


def check_pictures(model: Any) -> None:
    """Refuse the host's models of sound: their latents may have the shape of a picture's."""
    if "audio_model" in model.model_config.unet_config:
        raise ValueError(
            "This model makes sound, wanted one that makes pictures or clips: a search decodes and "
            "scores pictures."
        )


def check_sigmas(sigmas: Tensor, clock: Clock) -> list[float]:
    """Sigmas as times t: at least two, falling strictly.

    A shifted schedule may begin a float32 rounding above 1.
    """
    values = [1.0 if 1.0 < float(s) < 1.0 + 1e-5 else float(s) for s in sigmas]
    if len(values) < 2:
        raise ValueError(
            f"{len(values)} sigmas given, wanted at least 2: is the scheduler's denoise 0, or its "
            "part of a split empty?"
        )
    falling = all(a > b for a, b in zip(values, values[1:], strict=False))
    if not falling or values[0] > clock.most or values[-1] < 0.0:
        raise ValueError(
            f"sigmas {[round(v, 4) for v in values]} given, wanted values falling strictly from at "
            f"most {clock.most:g} to at least 0, as a flow model's scheduler gives."
        )
    return [clock.time(v) for v in values]


def check_latent(latent: dict[str, Any]) -> Tensor:
    """The latent's samples, refused when packed or not finite."""
    if not isinstance(latent, dict) or not hasattr(latent.get("samples"), "is_nested"):
        raise ValueError(f"latent_image {brief(latent)} given, wanted a connection from a node.")
    samples = latent["samples"]
    if samples.is_nested:
        raise ValueError(
            "A packed latent (of sound and video, for one) was given, wanted that of one picture "
            "or clip: its parts cannot be searched as one."
        )
    if samples.ndim not in (4, 5):
        raise ValueError(
            f"latent_image of shape {tuple(samples.shape)} given, wanted 4 dimensions (pictures) "
            "or 5 (clips): a search decodes and scores pictures."
        )
    if bad := int((~torch.isfinite(samples)).sum()):
        raise ValueError(
            f"latent_image holds {bad} values that are NaN or infinite, wanted finite numbers only."
        )
    return samples


def mask_of(mask: Tensor | None, samples: Tensor, i: int) -> Tensor | None:
    """The part of a latent's noise_mask that belongs to its i-th entry.

    For a clip (5-D latents) the first axis of a mask is time, and stays whole.
    """
    if mask is None:
        return None
    if samples.ndim == 5 and mask.ndim < 5 and (samples.shape[2] > 1 or len(mask) == 1):
        return mask
    if samples.ndim == 4:
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
    return mask[i % len(mask)][None]


def check_mask(mask: Tensor | None, samples: Tensor) -> None:
    """Refuse a noise_mask that keeps all of a latent: each candidate would be the given picture."""
    for i in range(len(samples)):
        own = mask_of(mask, samples, i)
        if own is not None and not (own > 0).any():
            raise ValueError(
                f"A noise mask without a value above 0 was given for latent {i + 1} of "
                f"{len(samples)}, wanted one that marks what to draw anew, or none for image to "
                "image (bypass Set Latent Noise Mask)."
            )


class Network:
    """x0 predictions of the host's model inside `guider.sample`, charged as they happen.

    `model` is the KSamplerX0Inpaint that a KSAMPLER hands to its function; all rows of one call
    share their time, as the host reads only the first one's. `watched`: a call that the network
    itself did not answer is refused, and `doubt` is called once, where a wrapper changes calls.
    """

    def __init__(
        self, model: Any, extra_args: dict[str, Any], purse: Purse, watched: bool = False
    ) -> None:
        self.model, self.extra_args, self.purse = model, extra_args, purse
        self.watch = BlockWatch() if watched else None
        self.passing = Passing(extra_args["model_options"]) if watched else None
        self.doubt: Callable[[], None] | None = None
        self.paid: set[float] = set()  # times at which the network was asked
        self.base = model.inner_model.inner_model
        self.clock = clock_of(self.base.model_sampling)
        self.keep = in_use()
        self.reckoned: dict[tuple[tuple[int, ...], int], float] = {}
        self.lock = threading.Lock()
        add_wrapper_with_key(
            WrappersMP.APPLY_MODEL,
            "flow_search_nfe",
            self._count,
            extra_args["model_options"],
            is_model_options=True,
        )

    def _count(self, execute: Callable, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        purse = self.purse
        with self.lock:  # of several GPUs each has a thread of its own
            if purse.nfe + len(x) > purse.total:
                raise BudgetExceeded(
                    f"budget of {purse.total} NFE exhausted: {purse.nfe} spent, and a call of "
                    f"{len(x)} asked for in the midst of a prediction."
                )
            purse.charge(len(x), 1)
        if self.watch is None:
            return execute(x, *args, **kwargs)
        with self.watch(execute.class_obj.diffusion_model):
            return execute(x, *args, **kwargs)

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """x0. A single row that memory has no room for is tried again with all else unloaded."""
        try:
            return self._predict(x, t)
        except OutOfMemory as error:
            if len(x) > 1:
                raise
            log.warning("Out of memory for a single candidate: %s", error)
        make_room()
        mm.load_models_gpu(self.keep, minimum_memory_required=self.memory(x.shape[1:]))
        return self._predict(x, t)

    def _predict(self, x: Tensor, t: float) -> Tensor:
        purse = self.purse
        before = purse.nfe, purse.network_calls
        try:
            sigma = x.new_full((len(x),), self.clock.sigma(t))
            x0 = self.model(self.clock.outward(x, t), sigma, **self.extra_args)
        except Exception as error:
            if isinstance(error, (mm.InterruptProcessingException, StepCache, BudgetExceeded)):
                raise
            refused = not out_of_memory(error)
            if refused and len(x) == 1:
                raise
            purse.refund(*before)  # a call that gave nothing is not spent
            if refused:  # some backends take one row at a time; asked so, they say if it was that
                log.warning("%d candidates at once failed (%s): one at a time now.", len(x), error)
                raise OneAtATime(str(error)) from error
            mm.soft_empty_cache()
            raise OutOfMemory(str(error)) from None
        spent = purse.nfe - before[0]
        self._check(x, x0)
        if not spent and t in self.paid:
            raise StepCache("an answer that the network was not asked for")
        if not spent:
            raise ValueError(
                f"No conditioning is active at sigma {t:.4f}, wanted at least one at every sigma "
                "of the schedule: is a timestep range too narrow, or is a cache on the model?"
            )
        self.paid.add(t)
        purse.raise_cost(math.ceil(spent / len(x)))
        if self.passing and self.passing.changed and self.doubt:
            ask, self.doubt = self.doubt, None
            ask()
        return x0

    def _check(self, x: Tensor, x0: Tensor) -> None:
        """Refuse an answer that the network had no part in, or that is not one a row."""
        if self.passing and self.passing.skipped:
            raise StepCache("a wrapper answered for the network")
        if x0.shape != x.shape:
            raise Mixed(
                "The guider, or what is on its model, remembers earlier calls or mixes candidates: "
                f"it answered candidates of shape {tuple(x.shape)} with {tuple(x0.shape)}, wanted "
                "the same shape."
            )

    def memory(self, shape: Sequence[int]) -> float:
        """Bytes that a call on one latent of this shape takes, as the host reckons: what goes with
        it (reference pictures, a ControlNet) counts, once for each of its network rows."""
        known = tuple(shape), self.purse.cost
        if known not in self.reckoned:
            self.reckoned[known] = self._memory(*known)
        return self.reckoned[known]

    def _memory(self, shape: tuple[int, ...], cost: int) -> float:
        guider = self.model.inner_model
        beside: dict[str, list] = {}
        for cond in (cond for entries in guider.conds.values() for cond in entries):
            for name, own in self.base.extra_conds_shapes(**cond).items():
                largest = max([own, *beside.get(name, [])[:1]], key=math.prod)
                beside[name] = [largest] * cost
        dtype = guider.model_patcher.model_dtype()
        _, control = get_additional_models(guider.conds, dtype)
        return self.base.memory_required([cost, *shape], cond_shapes=beside) + control

    @property
    def noise_scale(self) -> float:
        """Standard deviation of the model's white noise."""
        return getattr(self.base.model_sampling, "noise_scale", 1.0)

    def noise(self, source: Callable[[Sequence[int]], Tensor]) -> Callable:
        """`source` at the model's own noise scale."""
        return lambda ids: self.noise_scale * drawn(source, ids)

    def centre(self, t: float) -> Tensor:
        """The mean (1 - t) x0 of latents that start at time t from the given picture."""
        return (1.0 - t) * self.model.latent_image

    @property
    def changing(self) -> Tensor | None:
        """(*S) bool on the CPU: the cells of a latent that the noise mask lets change, S being its
        axes in space and time; None: all."""
        mask = self.extra_args.get("denoise_mask")
        cells = None if mask is None else (mask[0] > 0).any(0).cpu()
        return cells if cells is not None and cells.any() else None

    def starts(
        self, y: Tensor, t: float, source: Callable[[Sequence[int]], Tensor]
    ) -> Callable[[Sequence[int]], Tensor]:
        """ids -> latents at time t: the host's own rows `y` first, then addressed noise.

        With the host's noise disabled `y` is the given latent as it is, and all begin there.
        """
        disabled, x = not self.model.noise.any(), self.clock.inward(y, t)

        def start(ids: Sequence[int]) -> Tensor:
            if disabled:
                return x[[i % len(x) for i in ids]]
            own = [i for i in ids if i < len(x)]
            new = [i for i in ids if i >= len(x)]
            if not new:
                return x[own]
            latent = self.model.latent_image
            sigma = torch.tensor(self.clock.sigma(t), device=x.device)
            fresh = self.base.model_sampling.noise_scaling(sigma, drawn(source, new), latent)
            return torch.cat([x[own], self.clock.inward(fresh, t)])

        return start


def in_use() -> list[Any]:
    """What is loaded for this sampling. Not what was put on the CPU beside a GPU, a text encoder:
    asked for, it would have the host give up the memory of all that it loads as it goes."""
    loaded = mm.loaded_models(only_currently_used=True)
    here = [patcher for patcher in loaded if not mm.is_device_cpu(patcher.load_device)]
    return here or loaded


def drawn(source: Callable[[Sequence[int]], Tensor], ids: Sequence[int]) -> Tensor:
    """`source(ids)`, so that a cancel need not wait for thousands of rows."""
    rows = []
    for first in range(0, len(ids), DRAWN):
        stop_if_interrupted()
        rows.append(source(ids[first : first + DRAWN]))
    return torch.cat(rows)


def stop_if_interrupted() -> None:
    mm.throw_exception_if_processing_interrupted()
