"""Rewards that take memory on the device of `simulated`, for scripts/swapping.py."""

import comfy.model_patcher
import torch
from pack.nodes.host import reward as hosting
from pack.nodes.host.streamed import stream
from pack.rewards.files.small_memory import shrink
from pack.tools.probing.simulated import DEVICE, LATENT, LITTLE, begin, mm, run_in, run_search, vae


class Hungry:
    """A reward whose every call takes the network's place in memory."""

    settings, at_once, itemised = {}, 8, False

    def fresh(self):
        return self

    def check(self, prompt):
        pass

    def score(self, images, prompt):
        vae.decode(LATENT)
        return torch.zeros(len(images))


class Weighty:
    """A scorer of 64 MB: the mean of what a layer makes of the mean grey.

    It notes how much of its weights is on the device when it scores.
    """

    def __init__(self):
        self.loaded, self.patcher = set(), None
        self.module = torch.nn.Linear(4096, 4096, bias=False)
        random = torch.Generator().manual_seed(4)
        self.module.weight.data = torch.randn(4096, 4096, generator=random)

    def check(self, prompt):
        pass

    def score(self, images, prompts):
        self.loaded.add(self.patcher.loaded_size())
        return self.module(images.mean((1, 2, 3))[:, None].expand(-1, 4096)).mean(1)


def weighty(memory, state=None):
    """A search by it, and how much of its weights was on the device."""
    scorer = Weighty()
    scored = hosting.hosted(scorer, {"reward": "weighty"})
    scorer.patcher = scored.patcher
    more = {"reward": scored, "latent_image": LITTLE}
    found = run_in(state, memory, vae, **more) if state else run_search(memory, vae, **more)
    known = getattr(comfy.model_patcher, "is_model_patcher_output", lambda output: True)
    return found | {"loaded": list(scorer.loaded), "known": known(scored)}


class Deep:
    """A scorer of 32 MB: what eight layers make of the mean grey, and a norm that is no layer."""

    def __init__(self, kind):
        torch.manual_seed(5)
        layers = [torch.nn.Linear(1024, 1024) for _ in range(8)]
        self.module = torch.nn.Sequential(*layers, torch.nn.LayerNorm(1024)).requires_grad_(False)
        shrink(self.module, kind, stream)

    def check(self, prompt):
        pass

    def score(self, images, prompts):
        return self.module(images.mean((1, 2, 3))[:, None].expand(-1, 1024))[:, 0]


def streamed(memory, kind):
    """Scores by layers that may stay in RAM, twice, and how much of them was on the device."""
    begin(memory)
    own_check, own_state = mm.is_device_cpu, mm.vram_state
    mm.is_device_cpu = lambda device: device != DEVICE
    mm.vram_state = mm.VRAMState.NORMAL_VRAM
    scored = hosting.hosted(Deep(kind), {"reward": "deep"})
    images = torch.linspace(0.1, 0.9, 3)[:, None, None, None].expand(-1, 8, 8, 3)
    scores = [scored.score(images, "").tolist() for _ in range(2)]
    mm.is_device_cpu, mm.vram_state = own_check, own_state
    return {"scores": scores, "loaded": scored.patcher.loaded_size()}
