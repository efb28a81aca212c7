"""The guard around all that accompanies a result, so that its failure never loses the result."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("flow_search")
LENGTH = 300  # characters of an error in the log


@contextmanager
def guard(task: str, logged: set[str] | None = None) -> Iterator[None]:
    """Go on when the block fails, with one line in the log. A cancel still stops the run.

    Args:
        task: what the block does; the log says "Flow Search could not <task>: <error>".
        logged: tasks whose failure this search has logged already. They are not logged again.
    """
    try:
        yield
    except Exception as error:
        if cancelled(error):
            raise
        if logged is not None:
            if task in logged:
                return
            logged.add(task)
        log.warning("Flow Search could not %s: %s. It goes on without.", task, cause(error))


def cancelled(error: BaseException) -> bool:
    """Whether the user cancelled: an Exception before ComfyUI 0.30, a BaseException since.

    The host's module is looked up, so that importing this file needs no host.
    """
    host = sys.modules.get("comfy.model_management")
    return host is not None and isinstance(error, host.InterruptProcessingException)


def cause(error: BaseException) -> str:
    """The error in one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
    return text if len(text) <= LENGTH else f"{text[:LENGTH]}…"
