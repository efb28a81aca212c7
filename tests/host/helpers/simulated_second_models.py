"""Searches with a second model on the device of `simulated`, for scripts/swapping.py."""

from types import SimpleNamespace

import torch
from node_helpers import conditioning_set_values
from pack.nodes import demo
from pack.tools.probing.simulated import (
    LARGE,
    LITTLE,
    SMALL,
    TINY,
    anything,
    begin,
    model,
    patched,
    run_search,
    stock,
    text,
    vae,
)

BASE = demo.DemoFlowModelLoader.execute("base").args[0]


def twin(model):
    """A clone with a LoRA-like weight patch of its own, as a turbo LoRA makes it."""
    clone = model.clone()
    weight = model.model.diffusion_model.txt_in.weight
    lora = torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)) / 4
    clone.add_patches({"diffusion_model.txt_in.weight": ("diff", (lora,))})
    return clone


def with_second(memory, vae, second, **more):
    """A search whose particles a second model carries on, and finishes."""
    models = {"lookahead_model": second, "finish_model": second}
    more = {"latent_image": LITTLE, "budget": 40, "finish_steps": 2} | more
    return run_search(memory, vae, **models | more)


def second_models():
    """Searches with a second model that has its own weights, or shares those of the first."""
    copy = twin(patched(demo.DemoFlowModelLoader.execute("fast").args[0]))
    return {
        "large": with_second(LARGE, anything, BASE),
        "small": with_second(SMALL, anything, BASE),
        "one at a time": with_second(TINY, vae, BASE),
        "twin": with_second(LARGE, vae, twin(model)),
        "twin, small": with_second(SMALL, anything, twin(model)),
        "a copy of the twin": with_second(LARGE, vae, copy),
    }


class Tied(stock.Guider_Basic):
    """A guider that keeps a model besides the host's."""

    def __init__(self, model):
        super().__init__(model)
        self.networks = [model]


def refusals():
    """The sentence with which a second model is refused, by the reason."""
    begin(LARGE)
    tied, elsewhere = Tied(model), model.clone()
    tied.set_conds(text)
    elsewhere.load_device = torch.device("meta")
    partial = stock.Guider_Basic(model)
    control = SimpleNamespace(
        timestep_percent_range=(0.0, 0.5), previous_controlnet=None, cond_hint_original=None,
        get_extra_hooks=list,
    )  # fmt: skip
    partial.set_conds(conditioning_set_values(text, {"control": control}))
    inputs = {
        "tied": {"guider": tied, "lookahead_model": BASE},
        "elsewhere": {"finish_model": elsewhere},
        "partial": {"guider": partial, "lookahead_model": BASE},
    }
    sentences = {}
    for reason, given in inputs.items():
        try:
            run_search(LARGE, vae, **given)
        except ValueError as error:
            sentences[reason] = str(error)
    return sentences
