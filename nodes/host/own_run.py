"""One trajectory of a search as a run of its own, in which step caches begin anew.

ComfyUI calls OUTER_SAMPLE wrappers around each run. Its EasyCache and LazyCache make a new store
there, and so do caches of other packs. A search is one run, so these wrappers are called around
each of its trajectories once more. Those of other files of ComfyUI prepare a whole run, and are
not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfy.model_patcher import create_model_options_clone
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers
from torch import Tensor

from ...samplers.regions import Shape
from .guiders import EASY_CACHE, host_file

KEY = "transformer_options"


def own_run(
    guider: Any,
    options: dict[str, Any],
    run: tuple[Any, ...],
    shapes: list[Shape],
    call: Callable[[dict[str, Any]], Tensor],
) -> Tensor:
    """`call(model options)` inside the wrappers of a run.

    Args:
        guider: that is sampling.
        options: model options of the search's own run; left as they are.
        run: what the host calls these wrappers with: noise, latent, sampler, sigmas, mask,
            callback, whether the bar is off, seed.
        shapes: (B,*P) of the parts in a row; none for rows of one part.
        call: walks the trajectory.
    """
    outer = dict(guider.model_options.get(KEY, {}))

    def walk(*args: Any, **kwargs: Any) -> Tensor:
        copied, inner = create_model_options_clone(options), guider.model_options.get(KEY, {})
        made = {k: v for k, v in inner.items() if v is not outer.get(k)}
        copied[KEY] |= {k: v for k, v in made.items() if not isinstance(v, dict | list)}
        return call(copied)

    kind = WrappersMP.OUTER_SAMPLE
    wrappers = get_all_wrappers(kind, guider.model_options, is_model_options=True)
    begun = [each for each in wrappers if host_file(each) in (None, EASY_CACHE)]
    more = {"latent_shapes": shapes} if shapes else {}
    return WrapperExecutor.new_class_executor(walk, guider, begun).execute(*run, **more)
