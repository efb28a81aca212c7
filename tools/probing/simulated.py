"""The host's modules on a device of known memory, for scripts in a process of their own.

The device is cpu:0, which the host takes for another one than cpu and so loads to and unloads
from. The script runs in_process first.
"""

from __future__ import annotations

import collections
import hashlib
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import comfy.model_management as mm
import comfy.model_patcher
import comfy_extras.nodes_custom_sampler as stock
import server
import torch
from comfy_extras.nodes_model_advanced import ModelSamplingFlux
from pack.nodes import demo, sampler
from pack.nodes.host import image_bytes, objective
from pack.nodes.rewards import loader as reward
from pack.nodes.run.batch import run_batch
from pack.nodes.run.inputs import SearchInputs
from pack.nodes.run.plan import MethodChoice
from pack.nodes.run.planning import plan
from pack.rewards.count import colour_count
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.rounds import Method

import nodes

DEVICE, MB = torch.device("cpu:0"), 1 << 20
LARGE, SMALL = 1 << 40, 100 * MB  # SMALL holds all weights, not what a full VAE asks for
TINY = 12 * MB  # not all weights of the network
TIGHT = 39 * MB // 2  # of tensors: those of the weights, and of a decode of two small pictures
CAPTION = "three red circles"
SEED = 10  # its winner descends from many steps
counts = {}


def free_memory(dev: Any = None, torch_free_too: bool = False) -> Any:
    free = counts["memory"] - sum(m.model_loaded_memory() for m in mm.current_loaded_models)
    return (free, free) if torch_free_too else free


def counting(cls: type, name: str, what: str) -> None:
    """Count what a method does to the network.

    Args:
        cls: the method's class.
        name: of the method.
        what: the key of the count.
    """
    inner = getattr(cls, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        done = inner(self, *args, **kwargs)
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
server.PromptServer.instance = SimpleNamespace(
    send_sync=lambda *sent: None, client_id=None,
    prompt_queue=SimpleNamespace(get_current_queue_volatile=lambda: ([], [])),
)  # fmt: skip


def begin(memory: int) -> None:
    counts.update(memory=LARGE)
    mm.unload_all_models()
    counts.update(memory=memory, unloads=0, loads=0)


def patched(model: Any) -> Any:
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
flow = sampler.VPSDEFlowSampler.execute(interpolant="vp", diffusion_norm=1.0, kernel="eta").args[0]
SIGMAS = torch.tensor([0.98, 0.9, 0.7, 0.4, 0.0])
LATENT = torch.zeros(1, 16, 16, 16)
LITTLE = {"samples": torch.zeros(1, 16, 8, 8)}  # of which a full VAE asks for less
anything = SimpleNamespace(decode=vae.decode)  # decoded by the host, as a full VAE is


def searched(
    memory: int,
    vae: Any,
    particles: int = 12,
    paths: int = 1,
    method: Method | None = None,
    **more: Any,
) -> tuple:
    """LATENT, IMAGE, report of a search, and the particles of each of its rounds.

    Args:
        memory: bytes of the device.
        vae: what decodes.
        particles: of RBF.
        paths: of RBF.
        method: another search.
        more: inputs of the search.
    """
    begin(memory)
    rounds = []
    inner = objective.HostObjective.__call__

    def call(self: Any, x0: torch.Tensor) -> Any:
        rounds.append(len(x0))
        return inner(self, x0)

    objective.HostObjective.__call__ = call
    scored = reward.RewardModelLoader.execute({"reward": "colour_count"}).args[0]
    inputs = {
        "noise": stock.Noise_RandomNoise(SEED), "guider": guider, "sampler": flow, "sigmas": SIGMAS,
        "latent_image": {"samples": LATENT}, "vae": vae, "reward": scored, "prompt": CAPTION,
        "budget": 20, "finish_steps": 1, "top_k": 1, **more,
    }  # fmt: skip
    settings = method or RolloverBudgetForcing(particles, paths)
    planned = plan(SearchInputs.of(inputs), MethodChoice("rbf", settings, {}))
    result = run_batch(planned, "1")
    objective.HostObjective.__call__ = inner
    return (*result[:3], rounds)


def hashed(image: torch.Tensor) -> str:
    """Of a picture (H,W,3), as it is saved."""
    return hashlib.sha256(image_bytes.pil_image(image).tobytes()).hexdigest()


def run_search(memory: int, vae: Any, **more: Any) -> dict:
    """Counts, rewards and the result of a search with 12 initial particles."""
    _, images, report, rounds = searched(memory, vae, **more)
    rewards = [row["reward"] for row in report["trace"]]
    held = [m for m in mm.current_loaded_models if type(m.model.model).__name__ == "Flux"]
    return {
        "rounds": rounds, "rewards": rewards, "loads": counts["loads"],
        "unloads": counts["unloads"], "spent": report["spent"],
        "held": [m.model_loaded_memory() / m.model_memory() for m in held],
        "best": report["best"]["id"], "picture": hashed(images[0]),
    }  # fmt: skip


def run_in(state: mm.VRAMState, memory: int, vae: Any, **more: Any) -> dict:
    """A search in a memory state of the host's, on what it takes for another device than a CPU.

    Args:
        state: the host's.
        memory: bytes of the device.
        vae: what decodes.
        more: inputs of the search.
    """
    own_check, own_state = mm.is_device_cpu, mm.vram_state
    mm.is_device_cpu, mm.vram_state = (lambda device: device != DEVICE), state
    result = run_search(memory, vae, **{"latent_image": LITTLE} | more)
    mm.is_device_cpu, mm.vram_state = own_check, own_state
    return result


class Shortage:
    """Out of memory in a share of the calls of network, decoder and reward, drawn at random.

    Never twice in a row at one place: after the second time a search gives up.
    """

    def __init__(self, share: float, seed: int) -> None:
        self.share, self.random = share, random.Random(seed)
        self.raised, self.last = collections.Counter(), set()

    def at(self, what: str, function: Callable) -> Callable:
        def called(*args: Any, **kwargs: Any) -> Any:
            if self.refuses(what):
                self.raised[what] += 1
                raise torch.OutOfMemoryError(f"CUDA out of memory in the {what}")
            return function(*args, **kwargs)

        return called

    def refuses(self, what: str) -> bool:
        if what in self.last or self.random.random() >= self.share:
            self.last.discard(what)
            return False
        self.last.add(what)
        return True

    def __enter__(self) -> Shortage:
        self.network, self.colours = model.model.diffusion_model, colour_count.ColourCount
        self.before = self.network.forward, vae.first_stage_model.decode, self.colours.score
        self.network.forward = self.at("network", self.before[0])
        vae.first_stage_model.decode = self.at("decoder", self.before[1])
        self.colours.score = self.at("reward", self.before[2])
        return self

    def __exit__(self, *error: object) -> None:
        self.network.forward, vae.first_stage_model.decode, self.colours.score = self.before


class Lasting(Shortage):
    """Out of memory at one place in every call after the first ones."""

    def __init__(self, place: str, calls: int) -> None:
        super().__init__(0.0, 0)
        self.place, self.left = place, calls

    def refuses(self, what: str) -> bool:
        self.left -= what == self.place
        return what == self.place and self.left < 0
