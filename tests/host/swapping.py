"""Run by test_memory.py in a process of its own: the host's modules on a device of known memory.

The device is cpu:0, which the host takes for another one than cpu and so loads to and unloads
from. Arguments: ComfyUI's folder, the pack's. Prints one JSON object.
"""

import importlib.util
import json
import sys
from types import SimpleNamespace

COMFY, PACK = sys.argv[1:]
sys.path[0], sys.argv = COMFY, ["x", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()
import comfy.model_management as mm  # noqa: E402
import comfy.model_patcher  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy_extras.nodes_custom_sampler as stock  # noqa: E402
import server  # noqa: E402
import torch  # noqa: E402
from comfy_extras.nodes_model_advanced import ModelSamplingFlux  # noqa: E402
from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode  # noqa: E402

import nodes  # noqa: E402

spec = importlib.util.spec_from_file_location(
    "pack", PACK + "/__init__.py", submodule_search_locations=[PACK]
)
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
from pack.nodes import decode, demo, objective, reward, sampler, search, search_run  # noqa: E402
from pack.samplers.search.rbf import RolloverBudgetForcing  # noqa: E402

DEVICE, MB = torch.device("cpu:0"), 1 << 20
LARGE, SMALL = 1 << 40, 100 * MB  # SMALL holds all weights, not what a full VAE asks for
TINY = 12 * MB  # not all weights of the network
CAPTION = "three red circles"
counts = {}


def free_memory(dev=None, torch_free_too=False):
    free = counts["memory"] - sum(m.model_loaded_memory() for m in mm.current_loaded_models)
    return (free, free) if torch_free_too else free


def counting(cls, name, what):
    """Count what a method does to the network."""
    own = getattr(cls, name)

    def method(self, *args, **kwargs):
        done = own(self, *args, **kwargs)
        model = self.model.model if cls is mm.LoadedModel else self.model
        if type(model).__name__ == "Flux" and done is not False:
            counts[what] += 1
        return done

    setattr(cls, name, method)


mm.get_torch_device = lambda: DEVICE
mm.get_free_memory = free_memory
mm.minimum_inference_memory = mm.extra_reserved_memory = lambda: 0
counting(mm.LoadedModel, "model_unload", "unloads")
counting(comfy.model_patcher.ModelPatcher, "load", "loads")
server.PromptServer.instance = SimpleNamespace(send_sync=lambda *sent: None, client_id=None)


def begin(memory):
    counts.update(memory=LARGE)
    mm.unload_all_models()
    counts.update(memory=memory, unloads=0, loads=0)


def patched(model):
    """With a LoRA-like weight patch and another ModelSampling."""
    weight = model.model.diffusion_model.img_in.weight
    lora = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)) / 4
    (model,) = ModelSamplingFlux().patch(model, 1.15, 0.5, 128, 128)
    model.add_patches({"diffusion_model.img_in.weight": ("diff", (lora,))})
    return model


model, clip, vae = demo.DemoFlowModelLoader.execute("fast").args
model = patched(model)
(text,) = nodes.CLIPTextEncode().encode(clip, CAPTION)
guider = stock.Guider_Basic(model)
guider.set_conds(text)
flow = sampler.VPSDEFlowSampler.execute({"interpolant": "vp"}, "square", 1.0, "eta").args[0]
SIGMAS = torch.tensor([0.98, 0.9, 0.7, 0.4, 0.0])
LATENT = torch.zeros(1, 16, 16, 16)
anything = SimpleNamespace(decode=vae.decode)  # decoded by the host, as a full VAE is


def mid_sample():
    """x0 before a decode, after it, and after the network was brought back."""
    seen = []

    def sample(model_k, x, sigmas, extra_args, **ignored):
        ledger = search_run.Ledger(total=10)
        ours = objective.HostObjective(
            anything, None, "", model_k.inner_model.inner_model, ledger, search_run.MicroBatch()
        )
        seen.append(model_k(x, x.new_full((1,), 0.9), **extra_args))
        vae.decode(x)
        seen.append(model_k(x, x.new_full((1,), 0.9), **extra_args))
        ours.restore(x)
        seen.append(model_k(x, x.new_full((1,), 0.9), **extra_args))
        return x

    noise = torch.randn(LATENT.shape, generator=torch.Generator().manual_seed(0))
    guider.sample(noise, LATENT, search_run.KSAMPLER(sample), SIGMAS, disable_pbar=True)
    before, after, restored = seen
    return [float((x - before).abs().max()) for x in (after, restored)]


class Hungry:
    """A reward whose every call takes the network's place in memory."""

    settings = {}

    def fresh(self):
        return self

    def check(self, prompt):
        pass

    def score(self, images, prompt):
        vae.decode(LATENT)
        return torch.zeros(len(images))


def run_search(memory, vae, **more):
    """Counts and rewards of a search with 12 initial particles."""
    begin(memory)
    rounds = []
    own = objective.HostObjective.__call__

    def call(self, x0):
        rounds.append(len(x0))
        return own(self, x0)

    objective.HostObjective.__call__ = call
    scored = reward.RewardModelLoader.execute({"reward": "colour_count"}).args[0]
    inputs = {
        "noise": stock.Noise_RandomNoise(7), "guider": guider, "sampler": flow, "sigmas": SIGMAS,
        "latent_image": {"samples": LATENT}, "vae": vae, "reward": scored, "prompt": CAPTION,
        "budget": 20, "finish_steps": 1, "top_k": 1, **more,
    }  # fmt: skip
    settings = RolloverBudgetForcing(init_particles=12)
    _, _, told = search_run.search_latents(search.request_of("rbf", settings, {}, inputs), "1")
    objective.HostObjective.__call__ = own
    rewards = [row["reward"] for row in told["trace"]]
    held = [m for m in mm.current_loaded_models if type(m.model.model).__name__ == "Flux"]
    return {
        "rounds": rounds, "rewards": rewards, "loads": counts["loads"],
        "unloads": counts["unloads"], "spent": told["spent"],
        "held": [m.model_loaded_memory() / m.model_memory() for m in held],
    }  # fmt: skip


def run_in(state, memory, vae):
    """A search in a memory state of the host's, on what it takes for another device than a CPU."""
    own_check, own_state = mm.is_device_cpu, mm.vram_state
    mm.is_device_cpu, mm.vram_state = (lambda device: device != DEVICE), state
    found = run_search(memory, vae)
    mm.is_device_cpu, mm.vram_state = own_check, own_state
    return found


def run_on(devices):
    """A search with CFG, its two conditions on as many of the devices as there are."""
    mm.get_all_torch_devices = lambda exclude_current=False: devices
    both = comfy.samplers.CFGGuider(MultiGPUCFGSplitNode.execute(model, 2).args[0])
    both.set_conds(text, nodes.ConditioningZeroOut().zero_out(text)[0])
    both.set_cfg(2.0)
    return run_search(LARGE, vae, guider=both, budget=40)


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


with torch.inference_mode():
    begin(SMALL)
    told = {
        "mid_sample": mid_sample(),
        "large": run_search(LARGE, anything),
        "small": run_search(SMALL, anything),
        "small, TAESD": run_search(SMALL, vae),
        "small, watchdog": run_search(SMALL, vae, watchdog=Hungry()),
        "taesd": taesd(),
        "low VRAM": run_in(mm.VRAMState.LOW_VRAM, TINY, anything),
        "no VRAM": run_in(mm.VRAMState.NO_VRAM, LARGE, anything),
        "one device": run_on([DEVICE]),
        "two devices": run_on([DEVICE, torch.device("cpu")]),
    }
sys.stdout.write(json.dumps(told) + "\n")
