"""Every input that the search nodes share, declared once: node inputs, defaults, report entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...samplers.lookahead import AUTOMATIC
from ..host.any_sampler import AnySampler
from ..host.experts import LOW
from ..host.kernel import FlowSampler
from ..host.reward import HostReward
from ..schema import plain, widget

METHOD_AFTER = "budget"  # the method's own inputs follow this one
SECOND_MODELS = ("lookahead_model", "finish_model")
MODELS = (*SECOND_MODELS, LOW)


def wire(socket: str, tooltip: str) -> Any:
    """A connection that every search needs."""
    return field(metadata={"socket": socket, "tooltip": tooltip, "required": True})


def needed(default: Any, tooltip: str, **limits: Any) -> Any:
    """A value that every workflow has."""
    return field(default=default, metadata={"tooltip": tooltip, "required": True, **limits})


def advanced(default: Any, tooltip: str, **limits: Any) -> Any:
    """A value or connection that a workflow may lack."""
    return field(default=default, metadata={"tooltip": tooltip, "advanced": True, **limits})


@dataclass(frozen=True)
class SearchInputs:
    """The inputs of a search node, except those of its method, in the node's order.

    A new input is one field here. A field with a `socket` is a connection. Any other field is a
    widget, and the report lists its value, converted by `reported` if the field has that.
    """

    noise: Any = wire("noise", "Its seed decides every particle's noise.")
    guider: Any = wire("guider", "Model and prompt. CFG other than 1 doubles each NFE.")
    sampler: FlowSampler | AnySampler = wire(
        "sampler",
        "From the VP-SDE Flow Sampler node. In Particle Search, auto, best_of_n, zero_order and "
        "regional take any sampler.",
    )
    sigmas: Tensor = wire(
        "sigmas",
        "From the VP Flow Scheduler or any other scheduler. With split sigmas, connect the high "
        "half.",
    )
    latent_image: dict[str, Any] = wire("latent", "Size of the image, or the image to start from.")
    vae: Any = wire("vae", "Decodes every particle for the reward. preview_vae is cheaper.")
    reward: HostReward = wire(
        "reward",
        "What the search maximises. From the Reward Model Loader or Combine Rewards.",
    )
    prompt: str = needed(
        "",
        "The text that the reward compares the image with. Empty: the positive prompt of the "
        "workflow.",
        multiline=True,
    )
    budget: int = needed(
        100,
        "Network evaluations (NFE) for each image of a batch, finish included. Time grows in "
        "proportion.",
        min=1,
        max=1_000_000,
    )
    finish_steps: int = needed(
        4,
        "Plain steps that finish each result. Few-step models need 1 or 2, others 4 or more. The "
        "budget includes them.",
        min=0,
        max=1000,
    )
    top_k: int = needed(
        1,
        "Images to finish and return, best first, from different starts if possible. Each costs "
        "finish_steps NFE.",
        min=1,
        max=64,
    )
    micro_batch: int = advanced(
        0,
        "Particles sent through the network at once. 0 chooses. Affects speed and memory only: "
        "results may differ by rounding.",
        min=0,
        max=1024,
    )
    target_reward: float | None = advanced(
        None,
        "The search ends early once a particle reaches this reward. If not connected, there is no "
        "such limit.",
        min=-1e9,
        max=1e9,
        step=0.01,
        force_input=True,
    )
    time_limit: float = advanced(
        0.0,
        "Seconds after which the search ends and finishes the best so far. 0: no limit.",
        min=0.0,
        max=1e6,
        step=1.0,
        reported=lambda seconds: seconds or None,
    )
    preview_vae: Any = advanced(
        None,
        "A cheap decoder for scoring, such as TAEF1. The result is decoded and scored again with "
        "the full VAE.",
        socket="vae",
    )
    lookahead: int = advanced(
        AUTOMATIC,
        "Plain steps that sharpen each particle for the reward. Each particle costs that many "
        "NFE more. -1 chooses by model.",
        min=AUTOMATIC,
        max=64,
    )
    window_start: float = advanced(
        1.0,
        "Sigma at which the search begins to branch. Lower it to about 0.8 for many-step models.",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    window_end: float = advanced(
        0.0,
        "Sigma at which the search stops branching. The finish takes the remaining steps. 0 "
        "searches down to the last sigma.",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    watchdog: HostReward | None = advanced(
        None,
        "A second reward that is only reported. If it falls while the reward rises, the search "
        "exploits the reward.",
        socket="reward",
    )
    replay: str = advanced(
        "",
        "Report of an earlier search, or name of an image that holds one. Only that winner is "
        "made again.",
        reported=bool,
    )
    journal: bool = advanced(
        True,
        "Keep the best image so far in output/flow_search while the search runs, in case ComfyUI "
        "crashes.",
    )
    stop_at_maximum: bool = advanced(
        True,
        "End the search once a finished image has the highest possible score, such as 0 for a "
        "counting reward.",
    )
    lookahead_model: Any = advanced(
        None,
        "A few-step model of the same family. It predicts each particle's image for the reward, "
        "mostly in 1 step.",
        socket="model",
    )
    finish_model: Any = advanced(
        None,
        "Another model of the same family that takes the finish_steps. It gets the guider's "
        "conditioning and CFG.",
        socket="model",
    )
    compare: bool = advanced(
        False,
        "Also make the plain sampler's image. It is the result if it scores highest. The budget "
        "pays for it.",
    )
    model_low: Any = advanced(
        None,
        "The low-noise model of a pair, such as Wan 2.2 14B. It takes the steps below `boundary`.",
        socket="model",
    )
    boundary: float = advanced(
        0.875,
        "Sigma below which `model_low` takes over. Wan 2.2 uses 0.875 for text to video and 0.9 "
        "for image to video.",
        min=0.0,
        max=1.0,
        step=0.005,
    )

    workers: Any = advanced(
        None,
        "From Search Workers (Ray): other GPUs or computers evaluate particles. The result is the "
        "same.",
        socket="workers",
    )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> SearchInputs:
        """Read a node's inputs. An optional input that is absent or empty gets its default."""
        required = {f.name for f in fields(cls) if f.default is MISSING}
        absent = dict.fromkeys(required - values.keys())
        return cls(**absent, **{k: v for k, v in values.items() if v is not None or k in required})

    def connections(self) -> dict[str, Any]:
        """The connections by name: all required ones, and the optional ones that are connected.

        A LATENT is left out, because a dictionary may also be a plain value.
        """
        sockets = [f for f in fields(self) if f.metadata.get("socket", "latent") != "latent"]
        wired = {f.name: (getattr(self, f.name), f.metadata.get("required")) for f in sockets}
        return {
            name: value
            for name, (value, required) in wired.items()
            if required or value is not None
        }

    def values(self) -> dict[str, Any]:
        """The inputs that are plain values, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if "socket" not in f.metadata}

    def entries(self, method: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs as report entries, in the node's order.

        The entry of an optional connection says whether it was connected.

        Args:
            method: report entries of the method's settings.
        """
        entries: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if "socket" not in each.metadata:
                entries[each.name] = each.metadata.get("reported", lambda same: same)(value)
            elif not each.metadata.get("required"):
                entries[each.name] = value is not None
            if each.name == METHOD_AFTER:
                entries |= method
        return plain(entries)


def node_inputs(method: list[io.Input]) -> list[io.Input]:
    """All inputs of a search node. Those of its `method` follow METHOD_AFTER."""
    inputs: list[io.Input] = []
    for each in fields(SearchInputs):
        inputs.append(_node_input(each))
        if each.name == METHOD_AFTER:
            inputs += method
    return inputs


def shared_inputs(*names: str) -> list[io.Input]:
    """Some inputs of a search node, for a node that sets the others itself."""
    shared = {each.name: each for each in fields(SearchInputs)}
    return [_node_input(shared[name]) for name in names]


def _node_input(setting: Field) -> io.Input:
    return widget(setting, optional=not setting.metadata.get("required"))
