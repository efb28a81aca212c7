"""Step caches of other packs, imitated: each skips calls by the rule of its pack, in other words.

Every one marks the model as its pack does. HARMLESS have the marks and the names alone.
"""

from unittest import mock

import torch

from .wrapped import passed

LIMIT = 1.0  # relative change below which a call is skipped: large, as the steps here are few


def change(x, before):
    """Mean change of x, as a part of what was before; infinite for another shape."""
    if before is None or x.shape[1:] != before.shape[1:]:
        return float("inf")
    return float((x - before).abs().mean() / before.abs().mean())


class Skipping:
    """A network's `forward`; where `skips` says so, it adds the last real call's difference."""

    def __init__(self, forward, skips):
        self.forward, self.skips = forward, skips
        self.calls, self.residual, self.older = 0, None, None

    def __call__(self, x, *args, **kwargs):
        self.calls += 1
        skips = self.skips(self, x, kwargs)  # asked of the first call, too: it is what begins anew
        if skips and self.residual is not None:
            return x + self.guess()
        answer = self.forward(x, *args, **kwargs)
        self.older, self.residual = self.residual, (answer - x)[:1]
        return answer

    def guess(self):
        return self.residual


class Extrapolating(Skipping):
    """Goes on along the line through the last two differences."""

    def guess(self):
        return self.residual if self.older is None else 2 * self.residual - self.older


def by_distance():
    """TeaCache: the changes of the input since the last real call are added up.

    It begins anew at the first sigma of a run.
    """
    last = {"x": None, "sum": 0.0}

    def skips(cache, x, kwargs):
        options = kwargs["transformer_options"]
        if options["sigmas"][0] == options["sample_sigmas"][0]:
            last.update(x=x, sum=0.0)
            return False
        last["sum"] += change(x, last["x"])
        last["x"] = x
        if last["sum"] < LIMIT:
            return True
        last["sum"] = 0.0
        return False

    return skips


def by_step(cache, x, kwargs):
    """MagCache: the last two thirds of the schedule are skipped, whatever the input is.

    Args:
        cache: the cache.
        x: the network's input.
        kwargs: its further inputs.
    """
    options = kwargs["transformer_options"]
    return float(options["sigmas"][0]) < float(options["sample_sigmas"][1])


def by_count(warm_up):
    """TaylorSeer, Spectrum, CacheDiT: after some calls every second one is skipped."""
    return lambda cache, x, kwargs: cache.calls > warm_up and cache.calls % 2 == 0


def network_of(model):
    return model.get_model_object("diffusion_model")


def replaced_while_called(model, cache, option=None):
    """A function around the network puts the cache in the place of its `forward`.

    Args:
        model: the model.
        cache: the cache.
        option: a mark for the network's options.
    """
    network = network_of(model)

    def unet_wrapper_function(apply_model, args):
        if option:
            args["c"]["transformer_options"][option] = True
        with mock.patch.object(network, "forward", cache):
            return passed(apply_model, args)

    model.set_model_unet_function_wrapper(unet_wrapper_function)


def tea_cache(model):
    model.model_options["transformer_options"]["rel_l1_thresh"] = LIMIT
    cache = Skipping(network_of(model).forward, by_distance())
    replaced_while_called(model, cache, "enable_teacache")


def behind_another(model):
    tea_cache(model)
    inner = model.model_options["model_function_wrapper"]
    model.set_model_unet_function_wrapper(lambda apply, args: inner(apply, args))


def mag_cache(model):
    replaced_while_called(model, Skipping(network_of(model).forward, by_step), "magcache")


def taylor_seer(model):
    replaced_while_called(model, Extrapolating(network_of(model).forward, by_count(3)))


def spectrum(model):
    """A wrapper of the blocks: what it answers alone, the network is not asked for."""
    cache = Extrapolating(None, by_count(5))

    def forecast(executor, x, *args, **kwargs):
        cache.forward = executor
        return cache(x, *args, **kwargs)

    model.add_wrapper_with_key("diffusion_model", "spectrum", forecast)


def cache_dit(model):
    """Changes the network for a whole run, and leaves it so."""
    network = network_of(model)

    def outer_sample(execute, *args, **kwargs):
        network.forward = Skipping(type(network).forward.__get__(network), by_count(4))
        return execute(*args, **kwargs)

    model.add_wrapper_with_key("outer_sample", "cache_dit", outer_sample)


def object_patch(model):
    cache = Skipping(network_of(model).forward, by_distance())
    model.add_object_patch("diffusion_model.forward", cache)


class CachedTransformerBlocks(torch.nn.Module):
    """All blocks of a FLUX in one; if the first changes little, the others are skipped."""

    def __init__(self, double, single):
        super().__init__()
        self.blocks, self.single_blocks = double, single
        self.first, self.residual = None, None

    def forward(self, img, txt, **kwargs):
        x = img.clone()  # the host's blocks add in place
        img, txt = self.blocks[0](img=img, txt=txt, **kwargs)
        before, self.first = self.first, img - x
        if change(self.first, before) < LIMIT:
            return img + self.residual, txt
        start = img.clone()
        for block in self.blocks[1:]:
            img, txt = block(img=img, txt=txt, **kwargs)
        both = torch.cat((txt, img), 1)
        for block in self.single_blocks:
            both = block(both, **kwargs)
        img = both[:, txt.shape[1] :]
        self.residual = (img - start)[:1]
        return img, txt


def first_block(model):
    """The wrapper hands each call on as it is: only the blocks that do not run are to be seen."""
    network = network_of(model)
    cached = CachedTransformerBlocks(network.double_blocks, network.single_blocks)

    def model_unet_function_wrapper(apply_model, args):
        lists = {
            "double_blocks": torch.nn.ModuleList([cached]), "single_blocks": torch.nn.ModuleList()
        }  # fmt: skip
        with mock.patch.multiple(network, **lists):
            return passed(apply_model, args)

    model.set_model_unet_function_wrapper(model_unet_function_wrapper)


def nunchaku(model):
    """Its blocks run where PyTorch does not see them; what the loader sets is all there is."""
    network = network_of(model)
    network.model = torch.nn.Module()
    network.model.residual_diff_threshold_multi = 0.12


def every_other(call):
    """`call`, that each second time answers as the time before."""
    answers = []

    def answered(*args, **kwargs):
        answers.append(answers[-1] if len(answers) % 2 else call(*args, **kwargs))
        return answers[-1]

    return answered


def nameless(model):
    quick = every_other(lambda execute, *args, **kwargs: execute(*args, **kwargs))
    model.add_wrapper_with_key("diffusion_model", "quick", quick)


def left_behind(model):
    network = network_of(model)
    network.forward = every_other(network.forward)


def named_function(model):
    network = network_of(model)
    forward = network.forward
    network.cached_forward = network.forward = lambda *args, **kwargs: forward(*args, **kwargs)


def named_option(model):
    model.model_options["transformer_options"] |= {"rel_l1_thresh": 0.4, "spectrum": object()}


def named_wrapper(model):
    def cache_nothing(execute, *args, **kwargs):
        return execute(*args, **kwargs)

    model.add_wrapper_with_key("outer_sample", "cache_dit", cache_nothing)
    model.add_wrapper_with_key("diffusion_model", "taylorseer", cache_nothing)


CACHES = {
    "TeaCache": tea_cache,
    "TeaCache behind another wrapper": behind_another,
    "MagCache": mag_cache,
    "First Block Cache": first_block,
    "TaylorSeer": taylor_seer,
    "Spectrum": spectrum,
    "CacheDiT": cache_dit,
    "a cached forward as an object patch": object_patch,
    "nunchaku's cache_threshold": nunchaku,
    "a cache of no known name": nameless,
    "a cache that an earlier run left on the network": left_behind,
}
HARMLESS = {
    "a function with the name of a cache": named_function,
    "options with the names of caches": named_option,
    "wrappers with the names of caches": named_wrapper,
}


class Cache:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "kind": ([*CACHES, *HARMLESS],)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, model, kind):
        model = model.clone()
        network = network_of(model)  # some leave their mark on it; the host may have kept it
        vars(network).pop("forward", None)
        network._modules.pop("model", None)
        (CACHES | HARMLESS)[kind](model)
        return (model,)


NODES = {"ProbeCache": Cache}
