"""The reward of a search without one: the CLIP of its prompt, if that can look at images.

A node knows the values of its own inputs alone. So a node without a reward expands to itself with
one input more: a link to the CLIP that encodes its positive prompt.
"""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from ...rewards import REWARDS, load_scorer
from ..host.hidden_inputs import HiddenInputs
from ..host.reward import HostReward, hosted
from ..schema import flat

CLIP = "prompt_clip"  # the input that only an expanded node has
FAMILY = "vqascore_host"
MISSING = (
    "No reward is connected: got none, expected what makes an image good. Add the node Reward "
    "Model Loader, and connect it to reward."
)
WHY = f"No reward is connected, so the CLIP of the prompt judges the images ({FAMILY})."


def with_clip(cls: type[io.ComfyNode], inputs: dict[str, Any]) -> io.NodeOutput:
    """The running node once more, with the CLIP of its prompt.

    Args:
        cls: the node.
        inputs: all that it was given.

    Raises:
        ValueError: the graph has no CLIP for the prompt, or the node runs over a list.
    """
    hidden = HiddenInputs.of(cls, dict(inputs))
    clips = hidden.upstream().clips
    if not clips or hidden.index:
        raise ValueError(MISSING)
    node = hidden.graph.get_node(hidden.graph_id)
    wired = node["inputs"] | {CLIP: list(clips[0])}
    again = GraphBuilder().node(node["class_type"], **wired)
    outputs = [again.out(i) for i in range(len(cls.RETURN_TYPES))]
    return io.NodeOutput(*outputs, expand={again.id: again.serialize()})


def clip_reward(clip: Any) -> HostReward:
    """The reward by a CLIP.

    Raises:
        ValueError: it answers no questions about images.
    """
    settings = REWARDS[FAMILY](clip=clip)
    try:
        scorer = load_scorer(settings)
    except ValueError as error:
        raise ValueError(MISSING) from error
    return hosted(scorer, flat("reward", FAMILY, settings))
