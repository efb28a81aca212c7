"""The pack's gradients held against finite differences, and what they leave behind in the host."""

import importlib
import json

import comfy.model_management as mm
import torch
from comfy.samplers import KSAMPLER

from .shared import Wrapped

STEPS = (0.01, 0.004)


def last_linear(blocks):
    """One that is called once a pass: the last of the first block."""
    every = [m for block in blocks[:1] for m in block.modules()]
    return [torch.nn.Linear(1, 1), *(m for m in every if isinstance(m, torch.nn.Linear))][-1]


class Gradients:
    """An output node: slopes at the first sigma, by the pack and by central differences."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "noise": ("NOISE",), "guider": ("GUIDER",), "sampler": ("SAMPLER",),
                "sigmas": ("SIGMAS",), "latent_image": ("LATENT",), "vae": ("VAE",),
                "reward": ("FLOW_REWARD",),
            }
        }  # fmt: skip

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, noise, guider, sampler, sigmas, latent_image, vae, reward):
        own = type(sampler).__module__.rpartition(".")[0]
        names = ("gradient", "objective", "network")
        parts = [importlib.import_module(f"{own}.{name}") for name in names]
        root = own.removesuffix(".nodes.host")
        pack = importlib.import_module(f"{root}.samplers.batching")
        purse = importlib.import_module(f"{root}.samplers.purse").Purse()
        shown = {}

        def sample(model, x, sigmas, extra_args, callback=None, disable=None):
            gradient, objective, flow = parts
            network, t = flow.Network(model, extra_args, purse), float(sigmas[1])
            held = [p.requires_grad for p in network.base.parameters()]
            judge = objective.HostObjective(vae, reward, "", network, purse, pack.MicroBatch())
            children = network.base.diffusion_model.children()
            blocks = [b for m in children if isinstance(m, torch.nn.ModuleList) for b in m]
            before = network(x, t)
            pulled = gradient.HostGradients(judge, network, False)
            cotangent = pulled.at_x0(before)
            rows, runs = purse.nfe, []
            hook = last_linear(blocks).register_forward_hook(
                lambda *call: runs.append(torch.is_grad_enabled())
            )
            slope = pulled.through_network(x, t, cotangent)
            hook.remove()
            shown["rows"], shown["runs"] = purse.nfe - rows, runs
            ways = {"x": (slope, lambda to: judge(network(to, t)), x)}
            ways["x0"] = (cotangent, judge, before)
            for name, (found, value, at) in ways.items():
                length = float(found.norm())
                way = found / length
                differences = [
                    float(value(at + h * way) - value(at - h * way)) / (2 * h) for h in STEPS
                ]
                shown[name] = [length, *differences]
            shown["left"] = {
                "inference": torch.is_inference_mode_enabled(),
                "grad": torch.is_grad_enabled(),
                "training": mm.in_training,
                "patched": sum("forward" in vars(block) for block in blocks),
                "same": torch.equal(network(x, t), before),
                "weights": held == [p.requires_grad for p in network.base.parameters()],
            }
            return x

        noise_rows = noise.generate_noise(latent_image)
        guider.sample(
            noise_rows, latent_image["samples"], KSAMPLER(sample), sigmas, seed=noise.seed
        )
        return {"ui": {"probe": [json.dumps(shown)]}}


class NoMemory(Wrapped):
    """A model that runs out of memory whenever a gradient is asked through it."""

    INPUTS = {"name": ("STRING", {"default": "run"})}

    def call(self, ask, args):
        if torch.is_grad_enabled():
            raise torch.OutOfMemoryError("out of memory")
        return ask(args)


NODES = {"ProbeGradients": Gradients, "ProbeNoMemory": NoMemory}
