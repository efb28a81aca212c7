"""Searches while everything around them is broken, in a process of their own.

Arguments: ComfyUI's folder, a folder for outputs. Prints by trouble: what the search
gave, or its error, and the lines in the log.
"""

import contextlib
import errno
import json
import logging
import math
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import host_in_process as process  # isort: skip

import comfy.model_management as mm
import comfy.utils
import comfy_extras.nodes_custom_sampler as stock
import folder_paths
import server
import torch
from pack.nodes import demo, rbf_search, sampler, scheduler, score, search_report
from pack.nodes.host import reward as hosted
from pack.nodes.rewards import loader as reward
from pack.nodes.show import output
from pack.nodes.show.progress import tqdm
from PIL import Image

import nodes

PLACE = Path(process.ARGUMENTS[0])
CAPTION = "three red circles"
FULL = OSError(errno.ENOSPC, "No space left on device")
LATENT = {"samples": torch.zeros(1, 16, 8, 8)}
lines = []


class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())


logging.getLogger("flow_search").addHandler(Lines())
model, clip, vae = demo.DemoFlowModelLoader.execute("fast").args
(text,) = nodes.CLIPTextEncode().encode(clip, CAPTION)
guider = stock.Guider_Basic(model)
guider.set_conds(text)
flow = sampler.VPSDEFlowSampler.execute(interpolant="vp", diffusion_norm=1.0, kernel="eta").args[0]
sigmas = scheduler.VPFlowScheduler.execute(4, "exp", "vp").args[0]
scored = reward.RewardModelLoader.execute({"reward": "colour_count"}).args[0]


class Prompt:
    """A dynprompt."""

    @staticmethod
    def get_display_node_id(node_id):
        return node_id


def searched(hidden=None, **more):
    """The search node as the host calls it."""
    known = {"UNIQUE_ID": "7", "DYNPROMPT": Prompt, "EXTRA_PNGINFO": {}}
    cls = rbf_search.RolloverBudgetForcingSearch
    if hidden is not None:
        cls = cls.PREPARE_CLASS_CLONE({"hidden_inputs": known | hidden})
    inputs = {
        "noise": stock.Noise_RandomNoise(7), "guider": guider, "sampler": flow, "sigmas": sigmas,
        "latent_image": LATENT, "vae": vae, "reward": scored, "prompt": CAPTION, "budget": 12,
        "init_particles": 3, "paths": 1, "finish_steps": 1, "top_k": 1, "lookahead": 0, **more,
    }  # fmt: skip
    latent, images, report = cls.EXECUTE_NORMALIZED(**inputs).args
    worth = json.loads(report)["best"]["reward"]
    return {"latent": float(latent["samples"].double().sum()), "images": [*images.shape],
            "reward": worth}  # fmt: skip


def fail(*args, **kwargs):
    raise FULL


def cancel(*args, **kwargs):
    raise mm.InterruptProcessingException


def connected(send):
    """A server whose socket is `send`."""
    queue = SimpleNamespace(get_current_queue_volatile=lambda: ([], []))
    loop = SimpleNamespace(call_soon_threadsafe=fail)
    instance = SimpleNamespace(send_sync=send, client_id="x", prompt_queue=queue, loop=loop)
    return mock.patch.object(server.PromptServer, "instance", instance, create=True)


def strange(**settings):
    """A reward whose settings cannot all be written."""
    return hosted.HostReward(scored.scorer, scored.settings | settings)


cycle = []
cycle.append(cycle)
around = {"nodes": []}
around |= {"nodes": [around, {"id": "7", "around": around}], "definitions": around}
folder = PLACE / "a file"
folder.write_text("where a folder should be")


@contextlib.contextmanager
def misplaced(kind):
    """A folder of the host's that takes no file."""
    with mock.patch.object(folder_paths, f"get_{kind}_directory", lambda: str(folder)):
        yield


def sampled(callback):
    """The sampler alone."""
    torch.manual_seed(0)
    noise = torch.randn(LATENT["samples"].shape)
    found = guider.sample(
        noise, LATENT["samples"], flow, sigmas, callback=callback, disable_pbar=True, seed=7
    )
    return {"latent": float(found.double().sum())}


def tabled():
    """The report node."""
    found = search_report.SearchReport.EXECUTE_NORMALIZED(REPORT, "flow_search/table").args
    return {"shape": [*found[0].shape], "rows": found[1].count("\n")}


def scores(told):
    picture = torch.rand(2, 8, 8, 3, generator=torch.Generator().manual_seed(1))
    found = score.ScoreImages.EXECUTE_NORMALIZED(picture, told, CAPTION).args
    return {"scores": json.loads(found[2])["scores"]}


TROUBLES = {
    "nothing": lambda: searched({}),
    "no hidden inputs": lambda: searched(None),
    "hidden inputs without values": lambda: searched(
        {"UNIQUE_ID": None, "DYNPROMPT": None, "EXTRA_PNGINFO": None}
    ),
    "a canvas that fails": lambda: searched({"DYNPROMPT": object()}),
    "a socket that fails": lambda: within(connected(fail), lambda: searched({})),
    "a progress bar that fails": lambda: within(
        mock.patch.object(comfy.utils, "PROGRESS_BAR_HOOK", fail), lambda: searched({})
    ),
    "a console that fails": lambda: within(
        mock.patch.object(tqdm, "update", fail), lambda: searched({})
    ),
    "no console": lambda: within(
        mock.patch.object(tqdm, "__init__", fail), lambda: searched({})
    ),
    "no temp folder": lambda: within(misplaced("temp"), lambda: searched({})),
    "no output folder": lambda: within(misplaced("output"), lambda: searched({})),
    "pictures that cannot be packed": lambda: within(
        mock.patch.object(Image.Image, "save", fail), lambda: searched({})
    ),
    "pictures that cannot be made": lambda: within(
        mock.patch.object(Image, "fromarray", fail), lambda: searched({})
    ),
    "a workflow in circles": lambda: searched({"EXTRA_PNGINFO": {"workflow": around}}),
    "a workflow that cannot be changed": lambda: searched(
        {"EXTRA_PNGINFO": {"workflow": {"nodes": [Unchanging(id="7")]}}}
    ),
    "settings that are no numbers": lambda: searched({}, reward=strange(a=math.nan, b=math.inf)),
    "settings that are anything": lambda: searched(
        {}, reward=strange(a=object(), b={3: torch.ones(4)}, c=10**5000, d=b"x")
    ),
    "settings in circles": lambda: searched({}, reward=strange(a=cycle)),
    "settings that are none": lambda: searched({}, reward=hosted.HostReward(scored.scorer, None)),
    "cancelled": lambda: within(
        mock.patch.object(comfy.utils, "PROGRESS_BAR_HOOK", cancel), lambda: searched({})
    ),
    "sampler": lambda: sampled(None),
    "a callback that fails": lambda: sampled(fail),
    "a callback that cancels": lambda: sampled(cancel),
    "scores": lambda: scores(scored),
    "scores with settings that are no numbers": lambda: scores(strange(a=math.nan)),
    "table": tabled,
    "a table without a temp folder": lambda: within(misplaced("temp"), tabled),
    "a table and a full disk": lambda: within(
        mock.patch.object(output.os, "replace", fail), tabled
    ),
}  # fmt: skip


class Unchanging(dict):
    def pop(self, *args):
        raise TypeError("this node does not change")


def within(trouble, ask):
    with trouble:
        return ask()


def tried(ask):
    lines.clear()
    try:
        found = ask()
    except BaseException as error:
        found = {"error": type(error).__name__}
    return found | {"lines": list(lines)}


folder_paths.set_output_directory(str(PLACE / "output"))
folder_paths.set_temp_directory(str(PLACE / "temp"))
with torch.inference_mode():
    REPORT = json.dumps(
        {"version": 1, "method": "rbf", "seed": 1, "settings": {}, "sigmas": [1.0, 0.0],
         "budget": {"nfe": 2, "seconds": None, "target_reward": None},
         "spent": {"nfe": 1, "network_calls": 1, "decodes": 1, "rewards": 1,
                   "seconds": {"total": 1.0, "network": 0.5, "decode": 0.2, "reward": 0.3}},
         "stopped": "done", "best": {"id": 0, "path": 0, "reward": 1.0, "nfe": 1},
         "top": [{"id": 0, "path": 0, "reward": 1.0}],
         "trace": [{"id": 0, "parent": None, "path": 0, "step": 0, "t": 1.0, "kind": "born",
                    "reward": 1.0, "accepted": True, "nfe": 1}]}
    )  # fmt: skip
    told = {name: tried(ask) for name, ask in TROUBLES.items()}
left = sorted(str(p.relative_to(PLACE)) for p in PLACE.rglob("*") if p.is_file())
print(json.dumps({"told": told, "left": left}))  # noqa: T201
