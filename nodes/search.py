"""Rollover Budget Forcing Search and Particle Search: drop-in for SamplerCustomAdvanced."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from comfy_api.latest import io

from ..rewards import maximum_of
from ..samplers.lookahead import AUTOMATIC
from ..samplers.run import Finish, StopRules
from ..samplers.search import SEARCHES
from ..samplers.search.rbf import RolloverBudgetForcing
from .host.guard import guard
from .host.hidden_inputs import HiddenInputs
from .run.one_search import Request, search_latents
from .schema import CATEGORY, FlowReward, build, check_wired, combo, flat, nested, plain, widget
from .show.metadata import keep
from .show.winners import thumbnails, winners
from .show.writable import writable

RBF_WIDGETS = ("init_particles", "paths")
NEEDED = ("noise", "guider", "sampler", "sigmas", "vae", "reward")
OPTIONAL = ("preview_vae", "watchdog")

WIRES = [
    io.Noise.Input("noise", tooltip="Its seed decides every particle's noise."),
    io.Guider.Input("guider", tooltip="Model and prompt. CFG other than 1 doubles each NFE."),
    io.Sampler.Input("sampler", tooltip="From the VP-SDE Flow Sampler node."),
    io.Sigmas.Input(
        "sigmas",
        tooltip="From the VP Flow Scheduler or any scheduler of the host. Of split sigmas the high "
        "half is searched, and another sampler goes on from the latent.",
    ),
    io.Latent.Input("latent_image", tooltip="Size of the picture, or the picture to start from."),
    io.Vae.Input("vae", tooltip="Decodes every candidate for the reward; preview_vae is cheaper."),
    FlowReward.Input("reward", tooltip="From the Reward Model Loader: what the search maximises."),
    io.String.Input(
        "prompt",
        multiline=True,
        default="",
        tooltip="What the reward is asked: usually the text that the guider's prompt encodes.",
    ),
    io.Int.Input(
        "budget",
        default=100,
        min=1,
        max=1_000_000,
        tooltip="Network evaluations (NFE) for each image of a batch, the finish included. More is "
        "better and slower: time grows in proportion.",
    ),
]
ENDING = [
    io.Int.Input(
        "finish_steps",
        default=4,
        min=0,
        max=1000,
        tooltip="Plain steps that finish each of the best candidates, out of the budget. 1 or 2 "
        "do for few-step models, 4 or more for the rest; none is taken after a lookahead of as "
        "many. 0 returns the search's own prediction, blurred unless the model is few-step.",
    ),
    io.Int.Input(
        "top_k",
        default=1,
        min=1,
        max=64,
        tooltip="Best images to finish and return, best first, each of another start if possible. "
        "Each costs finish_steps NFE.",
    ),
]
ADVANCED = [
    io.Int.Input(
        "micro_batch",
        default=0,
        min=0,
        max=1024,
        optional=True,
        advanced=True,
        tooltip="Candidates sent through the network at once; 0 is up to 16, fewer where a GPU "
        "gains nothing from more. Halved when memory runs out. Changes speed and memory, and of "
        "the numbers no more than their rounding.",
    ),
    io.Float.Input(
        "target_reward",
        min=-1e9,
        max=1e9,
        step=0.01,
        optional=True,
        force_input=True,
        advanced=True,
        tooltip="The search ends early once a candidate reaches this reward. Unconnected: never.",
    ),
    io.Float.Input(
        "time_limit",
        default=0.0,
        min=0.0,
        max=1e6,
        step=1.0,
        optional=True,
        advanced=True,
        tooltip="Seconds after which the search ends and finishes the best so far; 0: no limit. "
        "The finish is reckoned in, at the pace of preview_vae where there is one.",
    ),
    io.Vae.Input(
        "preview_vae",
        optional=True,
        advanced=True,
        tooltip="A cheap decoder, such as TAEF1, for scoring; the result is decoded and re-scored "
        "with the full VAE.",
    ),
    io.Int.Input(
        "lookahead",
        default=AUTOMATIC,
        min=AUTOMATIC,
        max=64,
        optional=True,
        advanced=True,
        tooltip="Plain steps that carry each candidate on before it is scored, so that the reward "
        "sees a clean picture and not a blurred prediction. Each candidate costs that many NFE "
        "more. -1 looks once at the model: 0 where its first prediction is sharp (few-step "
        "models), 4 where it is blurred and the budget carries it.",
    ),
    io.Float.Input(
        "window_start",
        default=1.0,
        min=0.0,
        max=1.0,
        step=0.01,
        optional=True,
        advanced=True,
        tooltip="Sigma at which the search begins to branch. Above it each initial particle walks "
        "straight down, unscored; 1 searches from the start. There a few-step model's "
        "first prediction tells the finished picture's rank (correlation .7 and more on the demo "
        "model), a plain one's tells little above 0.9 (.1 to .4) and .6 at 0.8.",
    ),
    io.Float.Input(
        "window_end",
        default=0.0,
        min=0.0,
        max=1.0,
        step=0.01,
        optional=True,
        advanced=True,
        tooltip="Sigma at which the search stops branching and leaves the rest to finish_steps; 0 "
        "searches down to the last sigma.",
    ),
    FlowReward.Input(
        "watchdog",
        optional=True,
        advanced=True,
        tooltip="A second reward, scored and told in the report for the candidates that the search "
        "moves to and returns, never optimised. It shows reward hacking: the reward rises while "
        "the watchdog falls. Costs a score for each of these.",
    ),
    io.String.Input(
        "replay",
        default="",
        optional=True,
        advanced=True,
        tooltip="The report of an earlier search, or the name of a picture with one: its winner is "
        "made again, and nothing else is tried. Model, prompt, seed, sampler and sigmas have to be "
        "those of that search.",
    ),
    io.Boolean.Input(
        "journal",
        default=True,
        optional=True,
        advanced=True,
        tooltip="Keep the best picture so far in output/flow_search while the search runs. It is "
        "left there if ComfyUI is killed or crashes.",
    ),
    io.Boolean.Input(
        "stop_at_maximum",
        default=True,
        optional=True,
        advanced=True,
        tooltip="Ends the search once a finished image has the highest score there is, such as 0 "
        "of a counting reward. Other rewards have no such score.",
    ),
]
# Absent from hosts before 0.30; keeps the node's result on screen after a cached run or a reload.
PERSISTENT = {
    k: True for k in ("has_intermediate_output",) if k in {f.name for f in fields(io.Schema)}
}


def schema(node_id: str, name: str, description: str, inputs: list[io.Input]) -> io.Schema:
    return io.Schema(
        node_id=node_id,
        display_name=name,
        category=CATEGORY,
        description=description,
        search_aliases=["search", "best of n", "inference-time scaling", "reward", "particles"],
        inputs=inputs,
        outputs=[
            io.Latent.Output(display_name="latent", tooltip="The best latent."),
            io.Image.Output(display_name="images", tooltip="The top_k pictures, best first."),
            io.String.Output(display_name="report", tooltip="JSON of all that was tried."),
        ],
        hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.extra_pnginfo],
        **PERSISTENT,
    )


def respond(cls: type[io.ComfyNode], request: Request, hidden: HiddenInputs) -> io.NodeOutput:
    """Run, keep the report for SaveImage's metadata, and answer."""
    latent, images, report = search_latents(request, hidden.node_id, hidden.workflow)
    report, text = writable(report)
    with guard("keep the report for saved pictures"):
        pictures = thumbnails(images, report)
        keep(hidden.info, hidden.node_id, report, hidden.index, pictures)
    shown = {"flow_search_report": [text], "flow_search_images": winners(images, report, cls)}
    return io.NodeOutput(latent, images, text, ui=shown)


class RolloverBudgetForcingSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        named = {f.name: f for f in fields(RolloverBudgetForcing)}
        own = [widget(named[name], optional=False) for name in RBF_WIDGETS]
        return schema(
            "FlowSearchRBF",
            "Rollover Budget Forcing Search",
            "Finds a picture that scores higher on the reward: tries children of the best "
            "candidate step by step, and hands unused tries to later steps (arXiv 2503.19385). "
            "Replaces SamplerCustomAdvanced.",
            [*WIRES, *own, *ENDING, *ADVANCED],
        )

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        hidden = HiddenInputs.of(cls, inputs)
        own = {name: inputs.pop(name) for name in RBF_WIDGETS if name in inputs}
        search = RolloverBudgetForcing(**own)
        settings = {name: getattr(search, name) for name in RBF_WIDGETS}
        return respond(cls, request_of("rbf", search, settings, inputs), hidden)


class ParticleSearch(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        method = combo("method", SEARCHES, "How the budget is spent.")
        return schema(
            "FlowSearchParticles",
            "Particle Search",
            "Finds a picture that scores higher on the reward, by the method of your choice. "
            "Replaces SamplerCustomAdvanced.",
            [*WIRES, method, *ENDING, *ADVANCED],
        )

    @classmethod
    def execute(cls, method: dict[str, Any] | None = None, **inputs: Any) -> io.NodeOutput:
        hidden, method = HiddenInputs.of(cls, inputs), nested("method", method, inputs)
        search = build("method", SEARCHES, method)
        settings = flat("method", method["method"], search)
        return respond(cls, request_of(method["method"], search, settings, inputs), hidden)


def request_of(name: str, search: Any, settings: dict[str, Any], inputs: dict[str, Any]) -> Request:
    """The host's inputs as one request; the report lists every plain one."""
    given = dict(inputs)
    optional = {name: given[name] for name in OPTIONAL if given.get(name) is not None}
    check_wired(**{name: given[name] for name in NEEDED}, **optional)
    target = given.get("target_reward")
    if target is not None and not math.isfinite(target):
        raise ValueError(f"target_reward {target} given, wanted a finite number.")
    finish = Finish(given.pop("finish_steps"), given.pop("top_k"))
    at_maximum = given.pop("stop_at_maximum", True)
    maximum = maximum_of(given["reward"]) if at_maximum else None
    target, seconds = given.pop("target_reward", None), given.pop("time_limit", 0.0) or None
    rules = StopRules(target, seconds, maximum=maximum)
    entries = {
        "prompt": given["prompt"],
        "budget": given["budget"],
        **settings,
        "finish_steps": finish.steps,
        "top_k": finish.top_k,
        "micro_batch": given.get("micro_batch", 0),
        "target_reward": rules.target,
        "time_limit": rules.seconds,
        "preview_vae": given.get("preview_vae") is not None,
        "lookahead": given.get("lookahead", AUTOMATIC),
        "window_start": given.get("window_start", 1.0),
        "window_end": given.get("window_end", 0.0),
        "watchdog": given.get("watchdog") is not None,
        "replay": bool(given.get("replay")),
        "journal": given.get("journal", True),
        "stop_at_maximum": at_maximum,
    }
    return Request(name, search, finish, rules, settings=plain(entries), **given)
