"""Searches that fail and have no room for what they found, in a process of their own.

Arguments: ComfyUI's folder, a folder for outputs, and what is full: "output" (that
folder alone) or "all" (no file may have more than a kilobyte). Prints the error and the log.
"""

import errno
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import host_in_process as process  # isort: skip

import comfy_extras.nodes_custom_sampler as stock
import folder_paths
import torch
from pack.nodes import demo, rbf_search, sampler, scheduler, search_report
from pack.nodes.rewards import loader as reward
from pack.nodes.show import output

import nodes

PLACE, full = Path(process.ARGUMENTS[0]), process.ARGUMENTS[1]
CAPTION = "six red circles, four blue squares and two green triangles"
folder_paths.set_output_directory(str(PLACE / "output"))
folder_paths.set_temp_directory(str(PLACE / "temp"))
tempfile.tempdir = str(PLACE)
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


if full == "all":
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
else:
    fsync = os.fsync

    def no_room(number):
        """fsync, where the system says last that a disk is full."""
        if "/output/" in os.readlink(f"/proc/self/fd/{number}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    output.os.fsync = no_room

with torch.inference_mode():
    try:
        rbf_search.RolloverBudgetForcingSearch.EXECUTE_NORMALIZED(
            noise=stock.Noise_RandomNoise(7), guider=guider, vae=vae, reward=Breaks(),
            sampler=sampler.VPSDEFlowSampler.execute(interpolant="vp", diffusion_norm=1.0).args[0],
            sigmas=scheduler.VPFlowScheduler.execute(4, "exp", "vp").args[0],
            latent_image={"samples": torch.zeros(1, 16, 16, 16)}, prompt=CAPTION, budget=30,
            init_particles=3, paths=1, finish_steps=1, top_k=1, lookahead=0,
        )  # fmt: skip
        error = None
    except RuntimeError as raised:
        error = str(raised)
    table = "x" * 4096
    search_report.save(table, "flow_search/table")
sizes = {str(p.relative_to(PLACE)): p.stat().st_size for p in PLACE.rglob("*") if p.is_file()}
sys.stdout.write(json.dumps({"error": error, "lines": lines, "sizes": sizes}) + "\n")
