"""Which GPUs of this computer workers may have."""

from __future__ import annotations

import os

import comfy.model_management as mm
import torch

from .settings import WorkerSettings


def free_gpus(settings: WorkerSettings) -> list[str]:
    """Their names in CUDA_VISIBLE_DEVICES. This ComfyUI's own is not among them if it works along.

    Args:
        settings: of the node.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else list(map(str, range(torch.cuda.device_count())))
    device = mm.get_torch_device()
    if settings.own_gpu and device.type == "cuda":
        del names[device.index or 0]
    return names if torch.cuda.is_available() else []


def count_here(settings: WorkerSettings) -> int:
    """How many workers there can be on this computer.

    Args:
        settings: of the node.
    """
    if not settings.gpu_share:
        return settings.workers or 1
    room = int(len(free_gpus(settings)) / settings.gpu_share)
    return min(settings.workers or room, room)
