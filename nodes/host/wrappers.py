"""Whether the wrappers around the network hand each call on, and its answer back, unchanged.

Such a wrapper (a counter, a logger, a backend) cannot remember. If a wrapper changes a call or an
answer, guider_check.py tests whether it remembers, at the price of some calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from .guiders import host_file

KINDS = WrappersMP.APPLY_MODEL, WrappersMP.DIFFUSION_MODEL
OPTIONS = "transformer_options"


class WrapperWatch:
    """Watches the wrappers in the model options of one run, which are the run's own copy.

    `changed`: a wrapper has changed a call. `skipped`: a wrapper has answered without the network.

    Args:
        options: model options of the run.
        trusted: files of the host whose wrappers are not watched.
    """

    def __init__(self, options: dict[str, Any], trusted: Sequence[str] = ()) -> None:
        self.changed = self.skipped = False
        if wrapper := options.get("model_function_wrapper"):
            options["model_function_wrapper"] = self._watch_function(wrapper)
        wrappers = options.get(OPTIONS, {}).get("wrappers", {})
        for by_key in (wrappers.get(kind, {}) for kind in KINDS):
            for key, functions in by_key.items():
                by_key[key] = [
                    function if host_file(function) in trusted else self._watch_wrapper(function)
                    for function in functions
                ]

    def _watch_function(self, wrapper: Callable) -> Callable:
        def watched(apply_model: Callable, args: dict[str, Any]) -> Any:
            call = WatchedCall(apply_model, (args["input"], args["timestep"]), args["c"])
            return self._note(call, wrapper(call, args))

        return watched

    def _watch_wrapper(self, wrapper: Callable) -> Callable:
        def watched(executor: Callable, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return wrapper(executor, *args, **kwargs)
            call = WatchedCall(executor, args, kwargs)
            return self._note(call, wrapper(call, *args, **kwargs))

        return watched

    def _note(self, call: WatchedCall, answer: Any) -> Any:
        self.skipped |= call.count == 0
        self.changed |= not call.handed_on(answer)
        return answer


class WatchedCall:
    """Stands in for the function that a wrapper calls, and compares the calls.

    Args:
        function: what the wrapper would call.
        args: positional arguments that the wrapper got; the first is the latents.
        kwargs: keyword arguments that the wrapper got.
    """

    def __init__(self, function: Callable, args: tuple, kwargs: dict[str, Any]) -> None:
        self.function, self.count, self.same = function, 0, False
        self.args, self.kwargs, self.copy = args, dict(kwargs), snapshot(args, kwargs)
        self.answer: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        same = len(args) == len(self.args) and kwargs.keys() == self.kwargs.keys()
        same = same and all(a is b for a, b in zip(args, self.args, strict=True))
        same = same and all(kwargs[name] is self.kwargs[name] for name in kwargs)
        self.same = same and equal(self.copy, snapshot(args, kwargs))
        answer = self.function(*args, **kwargs)
        self.answer = answer.detach().clone() if isinstance(answer, Tensor) else None
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)

    def handed_on(self, answer: Any) -> bool:
        """Whether the wrapper made one call, with its own arguments, and gave that answer back.

        A value that is not finite comes from a failure, not from memory, and is not compared.
        """
        if self.count != 1 or not self.same or not isinstance(answer, Tensor):
            return False
        if self.answer is None or answer.shape != self.answer.shape:
            return False
        finite = torch.where(answer.isfinite(), answer, self.answer)
        return torch.equal(finite.nan_to_num(), self.answer.nan_to_num())


def snapshot(args: tuple, kwargs: dict[str, Any]) -> list[Any]:
    """Copies of what a wrapper could change in place: the latents, and the options of the call."""
    options = [dict(value) for value in (*args, *kwargs.values()) if isinstance(value, dict)]
    return [args[0].detach().clone(), *options]


def equal(first: list[Any], second: list[Any]) -> bool:
    """Whether two snapshots hold the same latents, and the same objects under the same names."""
    x, *options = first
    y, *later_options = second
    if x.shape != y.shape or not torch.equal(x, y) or len(options) != len(later_options):
        return False
    return all(
        a.keys() == b.keys() and all(a[name] is b[name] for name in a)
        for a, b in zip(options, later_options, strict=True)
    )
