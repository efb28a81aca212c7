"""The prompt of a node: the texts that lead to its positive conditioning in the executed graph.

The host executes a flat graph: subgraphs are unpacked, bypassed and muted nodes are gone. A search
reads the prompt there if its own prompt is empty. If it has no reward, it finds the CLIP there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..schema import brief

Node = Mapping[str, Any]  # of the graph: class_type and inputs
CONDITIONS, TEXT, CLIP = {"CONDITIONING", "GUIDER"}, {"STRING"}, {"CLIP"}
WILD = {"*", "COMFY_MATCHTYPE_V3"}  # types that stand for any type
NOT_POSITIVE = ("negative", "uncond", "empty")  # parts of the names of inputs
SEPARATORS = ("delimiter", "separator")  # inputs of nodes that join texts


@dataclass(frozen=True)
class Signature:
    """What the host says about a type of node.

    Args:
        inputs: the type of each input.
        outputs: type and name of each output.
        compute: returns the node's text for its inputs; None if only a run can tell.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[tuple[str, str], ...] = ()
    compute: Callable[..., str] | None = None


@dataclass(frozen=True)
class Upstream:
    """What leads to the positive conditioning of a node.

    Args:
        texts: different ones, in the order of the inputs.
        ends: types of the nodes that end a way without a text.
        clips: links to the CLIPs of the nodes that encode a text.
    """

    texts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    clips: tuple[tuple[str, int], ...] = ()

    @property
    def refusal(self) -> str:
        """The error of a search that cannot choose a prompt."""
        if self.texts:
            got = ", ".join(map(brief, self.texts[:4]))
            return (
                f"The workflow has several prompts: got {got}, expected one. Type the text for the "
                "reward into prompt."
            )
        got = f"no text in {', '.join(self.ends[:4])}" if self.ends else "none"
        return (
            f"The workflow has no prompt for the reward: got {got}, expected a node that encodes a "
            "text. Type the text into prompt."
        )


def upstream_prompt(
    node_id: str,
    node_of: Callable[[str], Node | None],
    signature_of: Callable[[str], Signature],
) -> Upstream:
    """The texts that lead to the positive conditioning of a node.

    Args:
        node_id: the node.
        node_of: id -> node of the graph, None if there is none.
        signature_of: type of a node -> its signature.
    """
    walk = Walk(node_of, signature_of)
    node = node_of(node_id)
    texts = walk.conditions(node) if node else []
    return Upstream(tuple(texts), *(tuple(dict.fromkeys(each)) for each in (walk.ends, walk.clips)))


class Walk:
    """Walks up a graph. Each output is read once.

    Args:
        node_of, signature_of: as of `upstream_prompt`.
    """

    def __init__(
        self, node_of: Callable[[str], Node | None], signature_of: Callable[[str], Signature]
    ) -> None:
        self.node_of, self.signature_of = node_of, signature_of
        self.read: dict[tuple[str, int], list[str]] = {}
        self.ends: list[str] = []
        self.clips: list[tuple[str, int]] = []

    def conditions(self, node: Node, output: str = "") -> list[str]:
        """The texts that lead to a node's conditions, or to its output of that name.

        An input of the same name as the output leads there alone, as with a ControlNet. An output
        to which no condition leads is that of a node that encodes a text.
        """
        inputs = {n: v for n, v in inputs_of(node).items() if self.leads(node, n, CONDITIONS)}
        links = [inputs[output]] if output in inputs else positive(inputs).values()
        texts = [text for link in links for text in self._condition(*link)]
        if output and not texts:
            texts = self._encoded(node)
            self.ends += [] if texts or links else [node["class_type"]]
        return list(dict.fromkeys(texts))

    def _condition(self, node_id: str, slot: int) -> list[str]:
        if (node_id, slot) not in self.read:
            node = self.node_of(node_id)
            _, name = self._output(node_id, slot)
            self.read[node_id, slot] = self.conditions(node, name) if node else []
        return self.read[node_id, slot]

    def _encoded(self, node: Node) -> list[str]:
        """The texts that a node encodes."""
        inputs = positive(inputs_of(node))
        texts = [self._text(value) for n, value in inputs.items() if self.leads(node, n, TEXT)]
        clips = (value for n, value in inputs.items() if self.leads(node, n, CLIP))
        self.clips += [tuple(link) for link in clips if is_link(link)]
        return [text.strip() for text in texts if text.strip()]

    def _text(self, value: Any) -> str:
        """The text of an input, or of the output that is linked to it."""
        if not is_link(value):
            return value
        node = self.node_of(value[0])
        if node is None:
            return ""
        inputs = inputs_of(node)
        texts = {n: self._text(v) for n, v in inputs.items() if self.leads(node, n, TEXT)}
        compute = self.signature_of(node["class_type"]).compute
        if compute and not any(is_link(v) for n, v in inputs.items() if n not in texts):
            return compute(**arguments(inputs | texts))
        joint = next((texts[name] for name in SEPARATORS if name in texts), " ")
        parts = [text for n, text in positive(texts).items() if n not in SEPARATORS and text]
        return joint.join(parts)

    def leads(self, node: Node, name: str, types: set[str]) -> bool:
        """Whether an input holds, or is linked to, a value of some types.

        Args:
            node: the node.
            name: of the input.
            types: which types count.
        """
        value = node["inputs"][name]
        declared = types_of(self.signature_of(node["class_type"]).inputs.get(name, "*"))
        if not is_link(value):
            return isinstance(value, str) and bool(declared & types & TEXT)
        sent = types_of(self._output(*value)[0])
        return bool(sent & types) or bool(sent & WILD and declared & (types | WILD))

    def _output(self, node_id: str, slot: int) -> tuple[str, str]:
        """Type and name of an output."""
        node = self.node_of(node_id)
        outputs = self.signature_of(node["class_type"]).outputs if node else ()
        return outputs[slot] if slot < len(outputs) else ("", "")


def inputs_of(node: Node) -> dict[str, Any]:
    """The inputs of a node. A switch has only the branch that it takes."""
    inputs = dict(node["inputs"])
    if isinstance(inputs.get("switch"), bool):
        inputs.pop("on_false" if inputs["switch"] else "on_true", None)
    return inputs


def arguments(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as a node gets them: "values.a" is the entry a of values."""
    whole: dict[str, Any] = {}
    for name, value in inputs.items():
        first, dot, key = name.partition(".")
        whole[first] = whole.get(first, {}) | {key: value} if dot else value
    return whole


def positive(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs whose names do not say that they are for something else."""
    return {n: v for n, v in inputs.items() if not any(word in n.lower() for word in NOT_POSITIVE)}


def is_link(value: Any) -> bool:
    """Whether an input is a link: [id of the node, slot of its output]."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def types_of(union: str) -> set[str]:
    """The types that "A,B" names."""
    return {name.strip() for name in union.split(",")}
