"""What a guider costs, what of it is refused before any evaluation, and whether it is pure.

The answer of a pure guider depends on the call alone, not on earlier calls. The host's own guiders
are pure, and so are the host's guidance functions in PURE_FILES. nodes/run/guider_check.py tests
every other guider.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfy.samplers
from torch import Tensor

from .caches import StepCache, apg_momentum, closure_of, has_nunchaku_cache
from .frames import takes_frames

HOST = Path(comfy.samplers.__file__).resolve().parents[1]
GUIDER_FILES = ("comfy/samplers.py", "comfy_extras/nodes_custom_sampler.py")
PERP_NEG, MAHIRO, SKIP_LAYER, EASY_CACHE, BY_FRAME = (
    f"comfy_extras/nodes_{name}.py"
    for name in ("perpneg", "mahiro", "slg", "easycache", "video_model")
)
# Read line by line: they keep nothing between calls (APG: without momentum).
PURE_FILES = (
    PERP_NEG, MAHIRO, SKIP_LAYER, BY_FRAME, "comfy_api/torch_helpers/torch_compile.py",
    *(f"comfy_extras/nodes_{name}.py" for name in (
        "apg", "cfg", "differential_diffusion", "eps", "fresca", "model_advanced", "nag", "pag",
        "tcfg",
    )),
)  # fmt: skip
METHODS = ("__call__", "outer_predict_noise", "predict_noise")  # between a sampler and the network
FUNCTIONS = ("sampling_function", "calc_cond_batch", "cfg_function")  # the host's guiders call them
WRAPPERS = ("predict_noise", "calc_cond_batch")  # kinds that wrap more than the network
LEAST = 3  # network rows of the shortest check
NOT_NETWORK = ("model_sampling", "latent_format", "manual_cast_dtype")


def conditions(guider: Any) -> dict[str, list[dict[str, Any]]]:
    """The guider's conditions by name, an empty list for one that is absent."""
    named = getattr(guider, "original_conds", None) or {}
    return {name: list(entries or ()) for name, entries in named.items()}


def check_kind(guider: Any) -> None:
    """Refuse a guider that lacks what the host's guiders have."""
    if not all(hasattr(guider, name) for name in ("model_patcher", "model_options", "sample")):
        raise ValueError(
            f"This guider cannot be searched: got {type(guider).__name__}, expected one with "
            "ComfyUI's model_patcher, model_options and sample."
        )


def check_guider(guider: Any, whole: bool = False) -> None:
    """Refuse what would mix particles: memory of earlier calls, conditions for several images.

    Args:
        guider: of the search.
        whole: whether whole trajectories are walked, one at a time.
    """
    check_memory(guider, whole)
    axes = guider.model_patcher.get_model_object("latent_format").latent_dimensions
    frames = takes_frames(guider.model_patcher.model)  # conditions of several rows are of these
    for cond in (cond for entries in conditions(guider).values() for cond in entries):
        if not frames:
            check_single(cond, axes)
        for hook in getattr(cond.get("hooks"), "hooks", ()):
            if (count := len(hook.hook_keyframe.keyframes)) > 1:
                raise ValueError(
                    f"A hook changes its strength over time: got {count} keyframes, expected 1. "
                    "Keyframes only go forward, and a search goes back in time."
                )


def check_memory(guider: Any, whole: bool = False) -> None:
    """Refuse caches and momentum that need no call of the network to be found.

    Args:
        guider: of the search.
        whole: whether whole trajectories are walked, one at a time. Then caches may stay on.
    """
    if has_host_cache(guider) and not whole:
        raise StepCache("ComfyUI's EasyCache or LazyCache")
    if has_nunchaku_cache(guider.model_patcher) and not whole:
        raise StepCache("nunchaku's First Block Cache")
    if share := apg_momentum(guider.model_options):
        raise ValueError(
            f"APG has momentum on this model: got {share:g}, expected 0. Momentum would add one "
            "particle's guidance to another's."
        )


def has_host_cache(guider: Any) -> bool:
    """Whether ComfyUI's EasyCache or LazyCache is on the model."""
    return any(host_file(part) == EASY_CACHE for part in guidance_parts(guider))


def check_single(cond: dict[str, Any], axes: int) -> None:
    """Refuse a condition made for several images. `axes`: dimensions of the model's latents."""
    named = [(n, cond.get(n)) for n in ("cross_attn", "pooled_output", "concat_latent_image")]
    named += [("reference_latents", latent) for latent in cond.get("reference_latents") or ()]
    if "mask" in cond and cond["mask"].ndim > axes:  # without that axis it is for all images
        named.append(("mask", cond["mask"]))
    control = cond.get("control")
    while control is not None:
        named.append(("a ControlNet's image", control.cond_hint_original))
        control = control.previous_controlnet
    for name, value in named:
        if isinstance(value, Tensor) and value.ndim > 1 and len(value) > 1:
            raise ValueError(
                f"A condition ({name}) is for several images: got {len(value)}, expected 1. "
                "Search one image at a time."
            )


def nfe_per_particle(guider: Any) -> int:
    """Network rows that one latent costs: one for each condition that the guider evaluates.

    This is an upper bound: a condition limited to a time range or an area may cost less. So may a
    guider that is not the host's. The real cost is counted while the search runs.
    """
    conds = {name: len(entries) for name, entries in conditions(guider).items()}
    disabled = guider.model_options.get("disable_cfg1_optimization", False)
    cfg = getattr(guider, "cfg", None)
    cfg_is_1 = isinstance(cfg, numbers.Real) and math.isclose(cfg, 1.0)
    if cfg_is_1 and not disabled and is_host_guider(guider):
        if set(conds) <= {"positive", "negative"}:
            conds.pop("negative", None)
    return max(1, sum(conds.values()))


def host_file(value: Any) -> str | None:
    """The host's file that a function or an object's class comes from; None if it is not there."""
    function = getattr(value, "__func__", value)
    code = getattr(function, "__code__", None)
    module = sys.modules.get(type(value).__module__)
    name = code.co_filename if code else getattr(module, "__file__", None)
    path = Path(name or "").resolve()
    return path.relative_to(HOST).as_posix() if path.is_relative_to(HOST) else None


def is_host_guider(guider: Any) -> bool:
    """Whether the host's own code answers a sampler's calls, and no pack has replaced it."""
    functions = [getattr(type(guider), name, None) for name in METHODS]
    functions += [getattr(comfy.samplers, name, None) for name in FUNCTIONS]
    files = (host_file(function) for function in functions if function is not None)
    unchanged = all(file in (*GUIDER_FILES, PERP_NEG) for file in files)
    return unchanged and not vars(guider).keys() & {*METHODS}


def guidance_parts(guider: Any) -> Iterator[Any]:
    """Functions on the model that take part in an answer and that no `WrapperWatch` sees."""
    options, patcher = guider.model_options, guider.model_patcher
    for name in ("sampler_cfg_function", "sampler_calc_cond_batch_function",
                 "denoise_mask_function", "context_handler"):  # fmt: skip
        if options.get(name) is not None:
            yield options[name]
    for name in ("sampler_pre_cfg_function", "sampler_post_cfg_function"):
        yield from options.get(name, ())
    transformer = options.get("transformer_options", {})
    for wrappers in (transformer.get("wrappers", {}), patcher.wrappers):
        for kind in WRAPPERS:
            yield from (f for functions in wrappers.get(kind, {}).values() for f in functions)
    for patches in transformer.get("patches", {}).values():
        yield from patches
    for patches in transformer.get("patches_replace", {}).values():
        yield from patches.values()
    for name, patch in patcher.object_patches.items():
        if name not in NOT_NETWORK and (callable(patch) or hasattr(patch, "__func__")):
            yield patch


def is_pure(guider: Any, whole: bool = False) -> bool:
    """Whether a guider, with all that is on its model, is known to ignore earlier calls.

    Args:
        guider: of the search.
        whole: whether whole trajectories are walked, one at a time: then it is known to ignore
            earlier trajectories, as the host's step caches do.
    """
    files = (*PURE_FILES, EASY_CACHE) if whole else PURE_FILES
    parts = guidance_parts(guider)
    return is_host_guider(guider) and all(host_file(part) in files for part in parts)


def mixes_rows(guider: Any) -> bool:
    """Whether particles must go one by one.

    So it is where the host's guidance takes means over the rows of a call, or has another CFG for
    each. So it is, too, where these rows are the frames of one video.
    """
    methods = (vars(base).get("predict_noise") for base in type(guider).__mro__)
    mixes = takes_frames(guider.model_patcher.model)
    mixes |= any(host_file(method) == PERP_NEG for method in methods)
    for part in guidance_parts(guider):
        file = host_file(part)
        rescaled = file == SKIP_LAYER and closure_of(part).get("rescaling_scale", 0)
        mixes |= bool(rescaled) or file in (PERP_NEG, MAHIRO, BY_FRAME)
    return mixes
