"""The host's models as a search sees them: x0 predictions, noise, NFE."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management as mm
import torch
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key
from comfy.sampler_helpers import get_additional_models
from torch import Tensor

from ...samplers.batching import OneAtATime, OutOfMemory
from ...samplers.purse import BudgetExceeded, Purse
from ...samplers.regions import part_of
from .caches import BlockWatch, Mixed, StepCache, forget_text
from .cancel import draw
from .clock import clock_of, noisy
from .devices import split_rows
from .frames import as_videos, rows_of
from .guiders import EASY_CACHE, has_host_cache, is_pure
from .memory import Turn, make_room, out_of_memory
from .packed import first_shape
from .wrappers import WrapperWatch

log = logging.getLogger("flow_search")


class Network:
    """x0 predictions of the host's model inside `guider.sample`; each evaluation is charged.

    All rows of one call share their time, as the host reads only the first row's. The frames of a
    video that the host takes as rows are one NFE.

    Args:
        model: the KSamplerX0Inpaint that a KSAMPLER gives to its function.
        extra_args: what the KSAMPLER gives along with it; the host's own dictionary.
        purse: pays the evaluations.
        watched: refuse a call that the network itself did not answer. `on_changed_call` is then
            called once, when a wrapper changes a call.
        name: of the model among those of a search.
        turn: that networks share which may not fit the memory together.
        devices: that share the rows of a call, if `watched`.
        whole: whole trajectories are walked, one at a time: a step cache may skip calls. These are
            not evaluations. `on_changed_call` is then called between trajectories, also for a skip.
    """

    def __init__(
        self,
        model: Any,
        extra_args: dict[str, Any],
        purse: Purse,
        watched: bool = False,
        name: str = "model",
        turn: Turn | None = None,
        devices: int = 1,
        whole: bool = False,
    ) -> None:
        self.model, self.extra_args = as_videos(model, extra_args)
        self.purse, self.rows = purse, rows_of(self.model)
        self.name, self.turn, self.devices = name, turn or Turn(), devices
        self.whole, self.host_cache = whole, whole and has_host_cache(model.inner_model)
        trusted = (EASY_CACHE,) if whole else ()
        self.blocks = BlockWatch(may_skip=whole) if watched else None
        self.wrappers = WrapperWatch(extra_args["model_options"], trusted) if watched else None
        self.on_changed_call: Callable[[], None] | None = None
        self.evaluated_times: set[float] = set()
        self.base = model.inner_model.inner_model
        self.clock = clock_of(self.base.model_sampling)
        self.part = first_shape(model.inner_model)
        self.loaded = self.turn.take(name, model.inner_model.model_patcher)
        self.bytes_by_shape: dict[tuple[tuple[int, ...], int], float] = {}
        self.lock = threading.Lock()
        # A cycle through here would keep the guider, and free patches in an order that the host
        # takes for a leak (comfy/model_management.py:742).
        count, options = weakref.WeakMethod(self._count), extra_args["model_options"]

        def counted(*args: Any, **kwargs: Any) -> Tensor:
            return count()(*args, **kwargs)

        key = "flow_search_nfe"
        add_wrapper_with_key(WrappersMP.APPLY_MODEL, key, counted, options, is_model_options=True)
        if watched:
            kind, split = WrappersMP.CALC_COND_BATCH, split_rows(devices, self.rows)
            add_wrapper_with_key(kind, "flow_search_rows", split, options, is_model_options=True)

    def pictures(self, x: Tensor) -> Tensor:
        """The images or videos (K,*P) in rows (K,*D), which may hold other parts, too."""
        return part_of(x, self.part)

    def close(self) -> None:
        """Drop the check, which refers to this network."""
        self.on_changed_call = None

    def _count(self, execute: Callable, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        purse, nfe = self.purse, math.ceil(len(x) / self.rows)
        with self.lock:  # each of several GPUs has a thread of its own
            if purse.nfe + nfe > purse.total:
                raise BudgetExceeded(
                    f"The budget of {purse.total} NFE is exhausted in the middle of a prediction: "
                    f"got a call of {nfe} NFE, expected at most {purse.total - purse.nfe}."
                )
            purse.charge(nfe, 1)
        network = execute.class_obj.diffusion_model
        forget_text(network)
        if self.blocks is None:
            return execute(x, *args, **kwargs)
        with self.blocks(network) as ran:
            answer = execute(x, *args, **kwargs)
        if self.blocks.skipped(ran):
            with self.lock:
                purse.charge(-nfe, -1)
                purse.counts["skipped"] += nfe
        return answer

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The x0 of x at time t."""
        y, sigma = self.clock.to_host(x, t), x.new_full((len(x),), self.clock.sigma(t))
        return self.answer(lambda: self.model(y, sigma, **self.extra_args), x, t)

    def answer(self, call: Callable[[], Tensor], x: Tensor, t: float) -> Tensor:
        """What a call of the model predicts, checked and charged.

        If one row is too much for the memory, all else is unloaded.

        Args:
            call: asks the model.
            x: the latents (K,*D) of the call.
            t: their time.
        """
        self.purse.counts["swaps"] += self.turn.called not in ("", self.name)
        self.turn.called = self.name
        if self.turn.name != self.name:
            self.load(x, -(-len(x) // self.devices))
        try:
            return self._answer(call, x, t)
        except OutOfMemory as error:
            if len(x) > 1:
                raise
            log.warning("Out of memory for a single particle: %s", error)
        make_room()
        self.load(x, 1)
        return self._answer(call, x, t)

    def load(self, x: Tensor, rows: int, times: int = 1) -> None:
        """Load the network where something else took its place, with memory for a call.

        Room for one row is the least: asking for more than the device has would make the host keep
        part of the weights off it.

        Args:
            x: latents (K,*D).
            rows: of the call, on one device.
            times: how often the memory of a call is needed.
        """
        least = times * self.memory(x.shape[1:])
        mm.load_models_gpu(self.loaded, memory_required=rows * least, minimum_memory_required=least)
        self.base.current_patcher = self.model.inner_model.model_patcher  # clones share a model
        self.turn.name = self.name

    def _answer(self, call: Callable[[], Tensor], x: Tensor, t: float) -> Tensor:
        purse = self.purse
        nfe, calls, skipped = purse.nfe, purse.network_calls, purse.counts["skipped"]
        try:
            x0 = call()
        except (mm.InterruptProcessingException, StepCache, BudgetExceeded):
            raise
        except Exception as error:
            memory = out_of_memory(error)
            if len(x) == 1 and not memory:
                raise
            purse.refund(nfe, calls)  # a call without an answer is not spent
            if memory:
                mm.soft_empty_cache()
                raise OutOfMemory(str(error)) from None
            # Some backends take one row a call. The error of a single row shows if that was it.
            log.warning("%d particles at once failed (%s): one at a time now.", len(x), error)
            raise OneAtATime(str(error)) from error
        self._check_answer(x, x0)
        if purse.nfe > nfe or not self._skipped(x, purse.counts["skipped"] - skipped):
            self._check_paid(t, purse.nfe - nfe)
        purse.raise_cost(math.ceil((purse.nfe - nfe) / len(x)))
        if not self.whole:
            self.check_changed()
        return x0

    def check_changed(self) -> None:
        """Call `on_changed_call`, if a wrapper has changed a call or a cache has skipped one."""
        changed = self.wrappers and self.wrappers.changed
        changed = changed or (self.blocks and self.blocks.skips and not self.host_cache)
        if changed and self.on_changed_call:
            check, self.on_changed_call = self.on_changed_call, None
            check()

    def _skipped(self, x: Tensor, rows: int) -> bool:
        """Whether a step cache gave the answer to a call without an evaluation.

        Args:
            x: the latents of the call.
            rows: network rows that were seen to be skipped.
        """
        if not self.whole:
            return False
        if not rows and (self.wrappers.skipped or not is_pure(self.model.inner_model)):
            rows = len(x) * self.purse.cost
            self.purse.counts["skipped"] += rows
        return rows > 0

    def _check_answer(self, x: Tensor, x0: Tensor) -> None:
        """Refuse an answer that the network had no part in, or that lacks a row for each row."""
        if self.wrappers and self.wrappers.skipped and not self.whole:
            raise StepCache("an answer of a wrapper without the network")
        if x0.shape != x.shape:
            raise Mixed(
                "The guider, or what is on its model, remembers earlier calls or mixes particles: "
                f"got an answer of shape {tuple(x0.shape)}, expected {tuple(x.shape)}."
            )

    def _check_paid(self, t: float, spent: int) -> None:
        """Refuse an answer at time t that took no evaluation."""
        if not spent and t in self.evaluated_times:
            raise StepCache("an answer without a network evaluation")
        if not spent:
            raise ValueError(
                f"No conditioning is active at sigma {self.clock.sigma(t):.4f}: got no network "
                "evaluation, expected at least one. Is a timestep range too narrow, or is a cache "
                "on the model?"
            )
        self.evaluated_times.add(t)

    def memory(self, shape: Sequence[int]) -> float:
        """Bytes that a call on one latent of this shape takes, by the host's estimate.

        What goes with the latent (reference images, a ControlNet) counts once for each row.
        """
        key = tuple(shape), self.purse.cost
        if key not in self.bytes_by_shape:
            self.bytes_by_shape[key] = self._memory(*key)
        return self.bytes_by_shape[key]

    def _memory(self, shape: tuple[int, ...], cost: int) -> float:
        guider = self.model.inner_model
        shapes: dict[str, list] = {}
        for cond in (cond for entries in guider.conds.values() for cond in entries):
            for name, cond_shape in self.base.extra_conds_shapes(**cond).items():
                largest = max([cond_shape, *shapes.get(name, [])[:1]], key=math.prod)
                shapes[name] = [largest] * cost
        dtype = guider.model_patcher.model_dtype()
        _, control = get_additional_models(guider.conds, dtype)
        return self.base.memory_required([cost, *shape], cond_shapes=shapes) + control

    @property
    def noise_scale(self) -> float:
        """Standard deviation of the model's white noise."""
        return getattr(self.base.model_sampling, "noise_scale", 1.0)

    def noise(self, source: Callable[[Sequence[int]], Tensor]) -> Callable:
        """`source` at the model's own noise scale."""
        return lambda ids: self.noise_scale * draw(source, ids)

    def centre(self, t: float) -> Tensor:
        """The mean (1 - t) x0 of latents that start at time t from the given image."""
        return (1.0 - t) * self.model.latent_image

    def starts(
        self, y: Tensor, t: float, source: Callable[[Sequence[int]], Tensor]
    ) -> Callable[[Sequence[int]], Tensor]:
        """A function from ids to latents at time t: the host's own rows first, then new noise.

        With the host's noise disabled, every particle starts from the given latent.

        Args:
            y: the host's own rows of noisy latents.
            t: the first time of the search.
            source: ids to standard normal noise (K,*D), addressed by id.
        """
        disabled, x = not self.model.noise.any(), self.clock.to_search(y, t)

        def start(ids: Sequence[int]) -> Tensor:
            if disabled:
                return x[[i % len(x) for i in ids]]
            host_rows = [i for i in ids if i < len(x)]
            new = [i for i in ids if i >= len(x)]
            if not new:
                return x[host_rows]
            latent = self.model.latent_image
            fresh = noisy(self.model, self.clock.sigma(t), draw(source, new), latent)
            return torch.cat([x[host_rows], self.clock.to_search(fresh, t)])

        return start
