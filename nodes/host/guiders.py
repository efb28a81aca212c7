"""What a guider is, before any compute: what it costs, what is refused, and who answers for it.

The host's own guiders are known: their answer depends on the question alone. The same holds for the
host's guidance functions in KNOWN. nodes/run/guider_check.py asks every other guider.
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

from .caches import StepCache, closed, momentum, step_cache

HOST = Path(comfy.samplers.__file__).resolve().parents[1]
GUIDERS = ("comfy/samplers.py", "comfy_extras/nodes_custom_sampler.py")
PERP_NEG, MAHIRO, SKIP_LAYER = (
    f"comfy_extras/nodes_{name}.py" for name in ("perpneg", "mahiro", "slg")
)
# Read line by line: they keep nothing between calls (APG: without momentum).
KNOWN = (
    PERP_NEG, MAHIRO, SKIP_LAYER, "comfy_api/torch_helpers/torch_compile.py",
    *(f"comfy_extras/nodes_{name}.py" for name in (
        "apg", "cfg", "differential_diffusion", "eps", "fresca", "model_advanced", "nag", "pag",
        "tcfg",
    )),
)  # fmt: skip
CALLED = ("__call__", "outer_predict_noise", "predict_noise")  # between a sampler and the network
ASKED = ("sampling_function", "calc_cond_batch", "cfg_function")  # by the host's guiders
GUIDING = ("predict_noise", "calc_cond_batch")  # wrappers around more than the network
LEAST = 3  # network rows of the shortest check
OBJECTS = ("model_sampling", "latent_format", "manual_cast_dtype")  # not the network


def conditions(guider: Any) -> dict[str, list[dict[str, Any]]]:
    """The guider's conditions by name, an empty list for one that is absent."""
    named = getattr(guider, "original_conds", None) or {}
    return {name: list(entries or ()) for name, entries in named.items()}


def check_kind(guider: Any) -> None:
    """Refuse a guider that lacks what the host's guiders have."""
    if not all(hasattr(guider, name) for name in ("model_patcher", "model_options", "sample")):
        raise ValueError(
            f"guider {type(guider).__name__} given, wanted one with the host's model_patcher, "
            "model_options and sample."
        )


def check_guider(guider: Any) -> None:
    """Refuse what would mix candidates: memory of calls, and conditions for several pictures."""
    if cache := step_cache(guider.model_patcher, guider.model_options):
        raise StepCache(cache)
    if share := momentum(guider.model_options):
        raise ValueError(
            f"APG with momentum {share:g} is on this model, wanted 0 for a search: it would add "
            "one candidate's guidance to another's."
        )
    axes = guider.model_patcher.get_model_object("latent_format").latent_dimensions
    for cond in (cond for entries in conditions(guider).values() for cond in entries):
        check_single(cond, axes)
        for hook in getattr(cond.get("hooks"), "hooks", ()):
            if (count := len(hook.hook_keyframe.keyframes)) > 1:
                raise ValueError(
                    f"A hook with {count} keyframes was given, wanted one strength: keyframes only "
                    "go forward, and a search goes back in time."
                )


def check_single(cond: dict[str, Any], axes: int) -> None:
    """Refuse a condition whose parts were made for several pictures of `axes` dimensions."""
    named = [(n, cond.get(n)) for n in ("cross_attn", "pooled_output", "concat_latent_image")]
    named += [("reference_latents", latent) for latent in cond.get("reference_latents") or ()]
    if "mask" in cond and cond["mask"].ndim > axes:  # without that axis it is for all
        named.append(("mask", cond["mask"]))
    control = cond.get("control")
    while control is not None:
        named.append(("a ControlNet's picture", control.cond_hint_original))
        control = control.previous_controlnet
    for name, value in named:
        if isinstance(value, Tensor) and value.ndim > 1 and len(value) > 1:
            raise ValueError(
                f"A condition ({name}) made for {len(value)} pictures was given, wanted one for a "
                "single picture: search one picture at a time."
            )


def nfe_per_particle(guider: Any) -> int:
    """Network rows one latent costs: one per positive condition, and as many as the guider adds.

    An upper bound where conditions are scheduled over time or areas, or where the guidance is: a
    list, a schedule, a guider that is not the host's. What it costs there is seen as it runs.
    """
    conds = {name: len(entries) for name, entries in conditions(guider).items()}
    skips = not guider.model_options.get("disable_cfg1_optimization", False) and host_guider(guider)
    cfg = getattr(guider, "cfg", None)
    one = isinstance(cfg, numbers.Real) and math.isclose(cfg, 1.0)
    if skips and one and set(conds) <= {"positive", "negative"}:
        conds.pop("negative", None)
    return max(1, sum(conds.values()))


def source(value: Any) -> str | None:
    """The host's file that a function, or an object's class, comes from; None: from elsewhere."""
    function = getattr(value, "__func__", value)
    code = getattr(function, "__code__", None)
    module = sys.modules.get(type(value).__module__)
    name = code.co_filename if code else getattr(module, "__file__", None)
    path = Path(name or "").resolve()
    return path.relative_to(HOST).as_posix() if path.is_relative_to(HOST) else None


def host_guider(guider: Any) -> bool:
    """Whether the host's own code answers a sampler's calls, and no pack's has taken its place."""
    called = [getattr(type(guider), name, None) for name in CALLED]
    called += [getattr(comfy.samplers, name, None) for name in ASKED]
    own = all(source(each) in (*GUIDERS, PERP_NEG) for each in called if each is not None)
    return own and not vars(guider).keys() & {*CALLED}


def guiding(guider: Any) -> Iterator[Any]:
    """Whatever the model carries that has a say in an answer and is seen by no `Passing`."""
    options, patcher = guider.model_options, guider.model_patcher
    for name in ("sampler_cfg_function", "sampler_calc_cond_batch_function",
                 "denoise_mask_function", "context_handler"):  # fmt: skip
        if options.get(name) is not None:
            yield options[name]
    for name in ("sampler_pre_cfg_function", "sampler_post_cfg_function"):
        yield from options.get(name, ())
    own = options.get("transformer_options", {})
    for wrappers in (own.get("wrappers", {}), patcher.wrappers):
        for kind in GUIDING:
            yield from (each for several in wrappers.get(kind, {}).values() for each in several)
    for patches in own.get("patches", {}).values():
        yield from patches
    for patches in own.get("patches_replace", {}).values():
        yield from patches.values()
    for name, patch in patcher.object_patches.items():
        if name not in OBJECTS and (callable(patch) or hasattr(patch, "__func__")):
            yield patch


def known(guider: Any) -> bool:
    """Whether a guider and all that is on its model answer the same whatever was asked before."""
    return host_guider(guider) and all(source(each) in KNOWN for each in guiding(guider))


def looks_across(guider: Any) -> bool:
    """Whether what is the host's there takes means over all rows of a call: they go one by one."""
    own = (vars(base).get("predict_noise") for base in type(guider).__mro__)
    across = any(source(each) == PERP_NEG for each in own)
    for each in guiding(guider):
        rescaled = source(each) == SKIP_LAYER and closed(each).get("rescaling_scale", 0)
        across |= bool(rescaled) or source(each) in (PERP_NEG, MAHIRO)
    return across
