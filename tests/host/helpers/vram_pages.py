"""Dynamic VRAM of a machine without a GPU: the memory that comfy-aimdo lends the host's own layers.

Pages that are given back may be taken at any time, which nothing tells autograd.
"""

import ctypes
import os
import random

import comfy.memory_management
import comfy.model_management as mm
import comfy.model_patcher
import comfy.ops
import comfy_aimdo.host_buffer
import comfy_aimdo.model_mmap
import comfy_aimdo.model_vbar
import comfy_aimdo.torch
import torch


class Page:
    """Room for the weights of one layer, at one address for good."""

    def __init__(self, size):
        self.memory, self.held, self.stamp = (ctypes.c_uint8 * size)(), False, 0

    def tensor(self):
        return torch.frombuffer(self.memory, dtype=torch.uint8)

    def take(self):
        self.held = False
        ctypes.memset(self.memory, 255, len(self.memory))  # NaN


class Pages:
    """All of a model, a VBAR there. `kept`: until they are asked for, or else never past a call.

    `refused`: the share of those not held that do not fit; the weights take another place then.
    """

    kept, lent, refused, refusals, random = True, 0, 0.0, 0, random.Random(0)

    def __init__(self, size, device):
        self.all = []

    def alloc(self, size):
        self.all.append(Page(size))
        return self, self.all[-1], size

    def fault(self, page, size):
        if not page.held and Pages.random.random() < Pages.refused:
            Pages.refusals += 1
            return None
        Pages.lent += 1
        page.held, page.stamp = True, page.stamp + (not page.held)
        return page.stamp.to_bytes(8, "big")

    def unpin(self, page, size):
        Pages.lent -= 1
        if not Pages.kept:
            page.take()

    def free_memory(self, size):
        freed = self.loaded_size()
        for page in self.all:
            page.take()
        return freed

    def loaded_size(self):
        return sum(len(page.memory) for page in self.all if page.held)

    def prioritize(self):
        pass


class HostBuffer:
    size = 0

    def __init__(self, *sizes):
        pass


class Mapped:
    """A file of weights, whose tensors lie in it."""

    def __init__(self, path):
        self.bytes = torch.from_file(str(path), size=os.path.getsize(path), dtype=torch.uint8)

    def get(self):
        return self.bytes.data_ptr()

    def get_file_handle(self):
        return 0


def simulate(device):
    """Models that are loaded from now on are dynamic on the device."""
    comfy.memory_management.aimdo_enabled, comfy_aimdo.model_mmap.ModelMMAP = True, Mapped
    comfy_aimdo.model_vbar.ModelVBAR, comfy_aimdo.host_buffer.HostBuffer = Pages, HostBuffer
    comfy_aimdo.torch.aimdo_to_tensor = lambda place, device: place[1].tensor()
    comfy.model_patcher.CoreModelPatcher = comfy.model_patcher.ModelPatcherDynamic
    mm.is_device_cpu = lambda other: other != device
    mm.args.disable_pinned_memory = True
    cast = comfy.ops.cast_bias_weight

    def on_device(s, input=None, dtype=None, device_=None, **kwargs):
        """Told that inputs are on the device: a tensor of cpu:0 says cpu."""
        device_ = kwargs.pop("device", device_)
        return cast(s, input, dtype, device if hasattr(s, "_v") else device_, **kwargs)

    comfy.ops.cast_bias_weight = on_device
