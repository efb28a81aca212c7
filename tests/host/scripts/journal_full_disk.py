"""Searches that fail and have no room for what they found, in a process of their own.

Arguments: ComfyUI's folder, and a folder for outputs. Prints the error and the log by what is full:
"output" (that folder alone; on Linux) or "all" (no file may have more than a kilobyte).
"""

import errno
import json
import logging
import os
import resource
import sys
import tempfile
from pathlib import Path
from unittest import mock

import host_in_process as process  # isort: skip

import comfy_extras.nodes_custom_sampler as stock
import folder_paths
import torch
from pack.nodes import demo, rbf_search, sampler, scheduler, search_report
from pack.nodes.rewards import loader as reward
from pack.nodes.show import output

import nodes

CAPTION = "six red circles, four blue squares and two green triangles"
model, clip, vae = demo.DemoFlowModelLoader.execute("fast").args
(text,) = nodes.CLIPTextEncode().encode(clip, CAPTION)
guider = stock.Guider_Basic(model)
guider.set_conds(text)
scored = reward.RewardModelLoader.execute({"reward": "colour_count"}).args[0]
lines = []


class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())


logging.getLogger("flow_search").addHandler(Lines())


class Breaks:
    """A reward that breaks after some pictures."""

    seen = 0

    def __getattr__(self, name):
        return getattr(scored, name)

    def fresh(self):
        return self

    def score(self, images, prompt):
        self.seen += len(images)
        if self.seen > 6:
            raise RuntimeError("the reward broke")
        return scored.score(images, prompt)


FSYNC = os.fsync


def no_room(number):
    """fsync, where the system says last that a disk is full."""
    if "/output/" in os.readlink(f"/proc/self/fd/{number}"):
        raise OSError(errno.ENOSPC, "No space left on device")
    FSYNC(number)


def fail():
    """The error of a search whose reward breaks."""
    try:
        rbf_search.RolloverBudgetForcingSearch.EXECUTE_NORMALIZED(
            noise=stock.Noise_RandomNoise(7), guider=guider, vae=vae, reward=Breaks(),
            sampler=sampler.VPSDEFlowSampler.execute(interpolant="vp", diffusion_norm=1.0).args[0],
            sigmas=scheduler.VPFlowScheduler.execute(4, "exp", "vp").args[0],
            latent_image={"samples": torch.zeros(1, 16, 16, 16)}, prompt=CAPTION, budget=30,
            init_particles=3, paths=1, finish_steps=1, top_k=1, lookahead=0,
        )  # fmt: skip
    except RuntimeError as raised:
        return str(raised)


def told(place):
    """A search and a table in a folder without room."""
    place.mkdir()
    folder_paths.set_output_directory(str(place / "output"))
    folder_paths.set_temp_directory(str(place / "temp"))
    tempfile.tempdir = str(place)
    lines.clear()
    with torch.inference_mode():
        error = fail()
        search_report.save("x" * 4096, "flow_search/table")
    sizes = {str(p.relative_to(place)): p.stat().st_size for p in place.rglob("*") if p.is_file()}
    return {"error": error, "lines": list(lines), "sizes": sizes}


place, found = Path(process.ARGUMENTS[0]), {}
if sys.platform == "linux":
    with mock.patch.object(output.os, "fsync", no_room):
        found["output"] = told(place / "first")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
found["all"] = told(place / "second")
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
sys.stdout.write(json.dumps(found) + "\n")
