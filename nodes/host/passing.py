"""Whether what wraps the network hands each call on and back as it is: then it cannot remember.

Counters, loggers and backends do. A wrapper that changes a question or an answer has to show, at
the price of some calls, that it answers the same whatever was asked before (guider_check.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

KINDS = WrappersMP.APPLY_MODEL, WrappersMP.DIFFUSION_MODEL
OPTIONS = "transformer_options"


class Passing:
    """Watches the wrappers in a run's model options, which are the run's own copy.

    `changed`: one of them has changed a call. `skipped`: one has answered without the network.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.changed = self.skipped = False
        if wrapper := options.get("model_function_wrapper"):
            options["model_function_wrapper"] = self._function(wrapper)
        wrappers = options.get(OPTIONS, {}).get("wrappers", {})
        for named in (wrappers.get(kind, {}) for kind in KINDS):
            for key, several in named.items():
                named[key] = [self._wrapper(each) for each in several]

    def _function(self, wrapper: Callable) -> Callable:
        def watched(apply_model: Callable, args: dict[str, Any]) -> Any:
            asked = Asked(apply_model, (args["input"], args["timestep"]), args["c"])
            return self._judged(asked, wrapper(asked, args))

        return watched

    def _wrapper(self, wrapper: Callable) -> Callable:
        def watched(executor: Callable, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return wrapper(executor, *args, **kwargs)
            asked = Asked(executor, args, kwargs)
            return self._judged(asked, wrapper(asked, *args, **kwargs))

        return watched

    def _judged(self, asked: Asked, answer: Any) -> Any:
        self.skipped |= asked.calls == 0
        self.changed |= not asked.passed(answer)
        return answer


class Asked:
    """In place of what a wrapper calls: sees whether it was asked as the wrapper was."""

    def __init__(self, call: Callable, args: tuple, named: dict[str, Any]) -> None:
        self.call, self.calls, self.same = call, 0, False
        self.args, self.named, self.before = args, dict(named), kept(args, named)
        self.answer: Any = None

    def __call__(self, *args: Any, **named: Any) -> Any:
        self.calls += 1
        own = len(args) == len(self.args) and named.keys() == self.named.keys()
        own = own and all(a is b for a, b in zip(args, self.args, strict=True))
        own = own and all(named[name] is self.named[name] for name in named)
        self.same = own and equal(self.before, kept(args, named))
        answer = self.call(*args, **named)
        self.answer = answer.detach().clone() if isinstance(answer, Tensor) else None
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.call, name)

    def passed(self, answer: Any) -> bool:
        """Whether the wrapper asked once, as it was asked, and gave that answer; what is not
        finite in an answer is a failure and no memory."""
        if self.calls != 1 or not self.same or not isinstance(answer, Tensor):
            return False
        if self.answer is None or answer.shape != self.answer.shape:
            return False
        sound = torch.where(answer.isfinite(), answer, self.answer)
        return torch.equal(sound.nan_to_num(), self.answer.nan_to_num())


def kept(args: tuple, named: dict[str, Any]) -> list[Any]:
    """What a wrapper could change in place: the latents, and the options of the call."""
    options = [dict(value) for value in (*args, *named.values()) if isinstance(value, dict)]
    return [args[0].detach().clone(), *options]


def equal(before: list[Any], after: list[Any]) -> bool:
    """Whether two of them hold the same latents, and the same things by the same names."""
    x, *options = before
    y, *others = after
    if x.shape != y.shape or not torch.equal(x, y) or len(options) != len(others):
        return False
    return all(
        a.keys() == b.keys() and all(a[name] is b[name] for name in a)
        for a, b in zip(options, others, strict=True)
    )
