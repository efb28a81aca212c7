"""Run by test_swapping.py and test_tricks.py: networks and decoders that take turns in memory.

Argument: ComfyUI's folder. Prints one JSON object.
"""

import gc
import json
import sys
import tempfile
import weakref
from pathlib import Path
from types import SimpleNamespace

import host_in_process  # noqa: F401  isort: skip

from pack.tools.probing.simulated import (
    DEVICE,
    LARGE,
    LATENT,
    LITTLE,
    MB,
    SIGMAS,
    SMALL,
    TIGHT,
    Lasting,
    Shortage,
    anything,
    begin,
    guider,
    mm,
    model,
    objective,
    run_search,
    searched,
    stock,
    text,
    vae,
)

import comfy.model_patcher  # isort: skip
import comfy.sampler_helpers  # isort: skip
import comfy.samplers  # isort: skip
import folder_paths  # isort: skip
import torch  # isort: skip
from comfy.samplers import KSAMPLER, sampler_object  # isort: skip
from pack.nodes.host.network import Network  # isort: skip
from pack.samplers.batching import MicroBatch  # isort: skip
from pack.samplers.purse import Purse  # isort: skip
from pack.samplers.search.best_of_n import BestOfN  # isort: skip
from pack.nodes import sampler  # isort: skip
from pack.nodes.rewards import loader as reward  # isort: skip
from pack.nodes.host import decode, memory  # isort: skip

from pack.tests.host.helpers.allocator import Allocator  # isort: skip
from pack.tools.probing import simulated_devices  # isort: skip
from pack.tests.host.helpers.simulated_rewards import Hungry, streamed, weighty  # isort: skip
from pack.tests.host.helpers.simulated_second_models import (  # isort: skip
    BASE,
    refusals,
    second_models,
)

from node_helpers import conditioning_set_values  # isort: skip


def mid_sample():
    """x0 before a decode, after it, and after the network was brought back."""
    seen = []

    def sample(model_k, x, sigmas, extra_args, **ignored):
        purse = Purse(total=10)
        ours = objective.HostObjective(
            anything,
            None,
            "",
            Network(model_k, extra_args, purse),
            purse,
            MicroBatch(),
        )
        seen.append(model_k(x, x.new_full((1,), 0.9), **extra_args))
        vae.decode(x)
        seen.append(model_k(x, x.new_full((1,), 0.9), **extra_args))
        ours.restore(x)
        seen.append(model_k(x, x.new_full((1,), 0.9), **extra_args))
        return x

    noise = torch.randn(LATENT.shape, generator=torch.Generator().manual_seed(0))
    guider.sample(noise, LATENT, KSAMPLER(sample), SIGMAS, disable_pbar=True)
    before, after, restored = seen
    return [float((x - before).abs().max()) for x in (after, restored)]


def reckoned():
    """Bytes of a call with two reference pictures: by us, by the host, without them, and by us
    where a candidate costs two rows."""
    own, seen = stock.Guider_Basic(model), {}
    own.set_conds(conditioning_set_values(text, {"reference_latents": [LATENT, LATENT]}))

    def sample(model_k, x, sigmas, extra_args, **ignored):
        network = Network(model_k, extra_args, Purse(total=10))
        conds = model_k.inner_model.conds
        seen["ours"] = network.memory(x.shape[1:])
        seen["host"] = comfy.sampler_helpers.estimate_memory(model, x.shape, conds)[1]
        seen["bare"] = network.base.memory_required(x.shape)
        network.purse.cost = 2
        seen["twice"] = network.memory(x.shape[1:])
        return x

    noise = torch.randn(LATENT.shape, generator=torch.Generator().manual_seed(0))
    own.sample(noise, LATENT, KSAMPLER(sample), SIGMAS, disable_pbar=True)
    return seen


def beside():
    """The models in use while a text encoder stays on the CPU: beside another device, and where
    there is none. A model that leaked, whose patcher is gone, is not among them."""
    begin(LARGE)
    cpu, own_check, seen = torch.device("cpu"), mm.is_device_cpu, []
    encoder = comfy.model_patcher.ModelPatcher(torch.nn.Linear(2, 2), cpu, cpu)
    mm.load_models_gpu([encoder])

    def sample(model_k, x, sigmas, extra_args, **ignored):
        leaked = mm.LoadedModel(comfy.model_patcher.ModelPatcher(torch.nn.ReLU(), cpu, cpu))
        mm.current_loaded_models.append(leaked)
        assert leaked.model is None
        for check in (lambda device: device != DEVICE, lambda device: True):
            mm.is_device_cpu = check
            seen.append([type(patcher.model).__name__ for patcher in memory.models_in_use()])
        mm.is_device_cpu = own_check
        mm.current_loaded_models.remove(leaked)
        return x

    noise = torch.randn(LATENT.shape, generator=torch.Generator().manual_seed(0))
    guider.sample(noise, LATENT, KSAMPLER(sample), SIGMAS, disable_pbar=True)
    return seen


def patches_gone(run):
    """After a run on a model with two patches, and once these are gone: whether they were freed at
    once, and the models that the host lists without a patcher."""
    begin(LARGE)
    gc.collect()
    gc.disable()
    patches = [model.clone()]
    patches.append(patches[0].clone())
    patched = stock.Guider_Basic(patches[1])
    patched.set_conds(text)
    try:
        run(patched)
    except RuntimeError as error:
        assert str(error).startswith("broken")
    alive = [weakref.ref(patch) for patch in patches]
    del patches, patched
    freed = not any(patch() for patch in alive)
    gc.collect()
    gc.enable()
    return [freed, sum(entry.model is None for entry in mm.current_loaded_models)]


def bright():
    return reward.RewardModelLoader.execute({"reward": "brightness"}).args[0]


def steered():
    choice = {"guidance": "x0", "strength": 1.0, "schedule": "relative"}
    given = {"diffusion": "square", "diffusion_norm": 1.0, "interpolant": {"interpolant": "vp"}}
    alone = {"reward": bright(), "vae": vae}
    return sampler.VPSDEFlowSampler.execute("eta", choice, **alone, **given).args[0]


def freed():
    """`patches_gone` by what was run."""

    def search(**more):
        more = {"reward": bright(), "latent_image": LITTLE, **more}
        return lambda guider: searched(LARGE, vae, guider=guider, **more)

    def alone(sampler):
        noise = torch.randn(LATENT.shape, generator=torch.Generator().manual_seed(0))
        return lambda guider: guider.sample(noise, LATENT, sampler, SIGMAS, disable_pbar=True)

    def broken(guider):
        """After some calls, so that there is a best image to save."""
        predict, calls = type(guider).predict_noise, []

        def predict_noise(*given, **named):
            calls.append(1)
            if len(calls) > 10:
                raise RuntimeError("broken")
            return predict(whole(), *given, **named)

        whole = weakref.ref(guider)
        guider.predict_noise = predict_noise
        search()(guider)

    runs = {
        "the host's sampler": alone(comfy.samplers.ksampler("euler")),
        "a search": search(),
        "a search with a watchdog": search(watchdog=bright()),
        "a search with a preview decoder": search(preview_vae=anything),
        "a search with another sampler": search(method=BestOfN(), sampler=sampler_object("er_sde")),
        "a search with guidance": search(sampler=steered()),
        "a search with a second model": search(lookahead_model=BASE, budget=60),
        "a search that looks ahead by its own model": lambda guider: search(
            lookahead_model=guider.model_patcher, budget=60
        )(guider),
        "guidance alone": alone(steered()),
        "a search that fails": broken,
    }
    return {name: patches_gone(run) for name, run in runs.items()}


def exhausted(memory):
    """A search that runs out of memory in half of its calls."""
    with Shortage(0.5, 0) as shortage:
        found = run_search(memory, anything, latent_image=LITTLE)
    return found | {"raised": shortage.raised}


def allocated():
    """A search by an allocator that has no room for four small pictures in the decoder."""
    with Allocator(TIGHT) as allocator:
        found = run_search(LARGE, anything, latent_image=LITTLE)
    return found | {"refused": allocator.refused}


def lasting(place):
    """How a search ends that is out of memory at one place for good, and what it saves."""
    with tempfile.TemporaryDirectory() as folder, Lasting(place, 4) as shortage:
        folder_paths.set_output_directory(folder)
        try:
            run_search(LARGE, vae, latent_image=LITTLE)
        except torch.OutOfMemoryError as error:
            said = str(error)
        report, picture = sorted(Path(folder, "flow_search").iterdir())
        saved = json.loads(report.read_text("utf-8"))
        return {
            "said": said, "picture": picture.name, "error": saved["error"],
            "raised": shortage.raised[place], "best": saved["best"]["reward"],
            "rewards": [row["reward"] for row in saved["trace"]],
        }  # fmt: skip


def taesd():
    """How far our decode is from the host's, and the memory each asks for."""
    begin(LARGE)
    latents = torch.randn(3, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    ask = mm.load_models_gpu
    asked = []

    def recorded(models, memory_required=0, **kwargs):
        asked.append(memory_required)
        return ask(models, memory_required=memory_required, **kwargs)

    mm.load_models_gpu = recorded
    ours = decode.decode(vae, SimpleNamespace(process_latent_out=lambda x: x), latents)
    host = vae.decode(latents)
    mm.load_models_gpu = ask
    return {
        "shapes": [list(ours.shape), list(host.shape)],
        "differ": float((ours - host).abs().max()),
        "spread": float(host.std()),
        "asked": asked,
    }


gc.freeze()  # `patches_gone` collects garbage, which nothing so far is
with torch.inference_mode():
    begin(SMALL)
    told = {
        "mid_sample": mid_sample(),
        "reckoned": reckoned(),
        "beside": beside(),
        "freed": freed(),
        "large": run_search(LARGE, anything),
        "small": run_search(SMALL, anything),
        "small, TAESD": run_search(SMALL, vae),
        "small, watchdog": run_search(SMALL, vae, watchdog=Hungry()),
        "taesd": taesd(),
        "exhausted": exhausted(40 * MB),
        "allocated": allocated(),
        "lasting": {place: lasting(place) for place in ("network", "decoder", "reward")},
        "after lasting": run_search(LARGE, vae, latent_image=LITTLE),
        "second": second_models(),
        "refused": refusals(),
        "weighty": [weighty(memory) for memory in (LARGE, 70 * MB)],
        "weighty, too little": {
            state.name: weighty(40 * MB, state)
            for state in (mm.VRAMState.NORMAL_VRAM, mm.VRAMState.LOW_VRAM, mm.VRAMState.NO_VRAM)
        },
        "streamed": {
            f"{kind} {memory // MB}": streamed(memory, kind)
            for kind in ("whole", "parts", "eight_bits")
            for memory in (LARGE, 12 * MB)
        },
        **simulated_devices.results(),
    }
sys.stdout.write(json.dumps(told) + "\n")
