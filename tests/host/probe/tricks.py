"""What people put on a model to make it faster, as it looks to the host and to a search; memory."""

import gc
import json

import torch

from .wrapped import Wrapped, passed


class OneRow(Wrapped):
    """A backend that takes one row a call, as nunchaku's first versions did."""

    INPUTS = {"refuses": ("BOOLEAN", {"default": True})}

    def call(self, ask, args):
        if self.refuses:
            assert len(args["input"]) == 1, "Batch size > 1 currently not supported"
        return ask(args)


class TeaCache:
    """Marks a model as the node of this name does; what it would skip does not matter."""

    def apply(self, model):
        model.model_options["transformer_options"]["rel_l1_thresh"] = 0.4

    def wrap(self, model):
        def unet_wrapper_function(apply_model, args):
            return passed(apply_model, args)

        model.set_model_unet_function_wrapper(unet_wrapper_function)


class CachedTransformerBlocks(torch.nn.Module):
    """In place of the network's blocks."""


def first_block(model):
    blocks = CachedTransformerBlocks()

    def model_unet_function_wrapper(apply_model, args):
        assert blocks is not None
        return passed(apply_model, args)

    model.set_model_unet_function_wrapper(model_unet_function_wrapper)


def behind_another(model):
    TeaCache().wrap(model)
    inner = model.model_options["model_function_wrapper"]
    model.set_model_unet_function_wrapper(lambda apply, args: inner(apply, args))


def sampler_wrapper(model):
    def skip_steps(execute, *args, **kwargs):
        return execute(*args, **kwargs)

    model.add_wrapper_with_key("outer_sample", "cache_dit", skip_steps)


def object_patch(model):
    model.add_object_patch("double_blocks_cache", CachedTransformerBlocks())


def nunchaku(model):
    network = model.get_model_object("diffusion_model")
    network.model = torch.nn.Module()
    network.model.residual_diff_threshold_multi = 0.12


class TaylorSeer:
    """As ComfyUI-TaylorSeer does, by its wrapper's name alone."""

    def apply(self, model):
        def unet_wrapper_function(apply_model, args):
            return passed(apply_model, args)

        model.set_model_unet_function_wrapper(unet_wrapper_function)


def spectrum(model):
    model.model_options["transformer_options"]["spectrum"] = object()


def every_other(call):
    """`call`, that each second time answers as the time before."""
    told = []

    def answered(*args, **kwargs):
        told.append(told[-1] if len(told) % 2 else call(*args, **kwargs))
        return told[-1]

    return answered


def nameless(model):
    quick = every_other(lambda execute, *args, **kwargs: execute(*args, **kwargs))
    model.add_wrapper_with_key("diffusion_model", "quick", quick)


def left_behind(model):
    network = model.get_model_object("diffusion_model")
    network.forward = every_other(network.forward)


def harmless(model):
    network = model.get_model_object("diffusion_model")
    own = network.forward
    network.cached_forward = network.forward = lambda *args, **kwargs: own(*args, **kwargs)


CACHES = {
    "TeaCache": TeaCache().apply,
    "TeaCache, by its wrapper": TeaCache().wrap,
    "TeaCache behind another wrapper": behind_another,
    "First Block Cache": first_block,
    "CacheDiT": sampler_wrapper,
    "cached blocks as an object patch": object_patch,
    "nunchaku's cache_threshold": nunchaku,
    "TaylorSeer": TaylorSeer().apply,
    "Spectrum": spectrum,
    "a cache of no known name": nameless,
    "a cache that an earlier run left on the network": left_behind,
    "a function of that name that skips nothing": harmless,
}


class Cache:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "kind": (list(CACHES),)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, model, kind):
        model = model.clone()
        CACHES[kind](model)
        return (model,)


class LiveTensors:
    """An output node: the bytes that all tensors of the process hold."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"nonce": ("STRING", {})}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, nonce):
        gc.collect()
        # type, not isinstance: the latter asks every lazy module of the process for its class.
        tensors = [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]
        held = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
        return {"ui": {"probe": [json.dumps({"bytes": sum(held.values())})]}}


NODES = {"ProbeOneRow": OneRow, "ProbeCache": Cache, "ProbeLiveTensors": LiveTensors}
