"""Builds a workflow in the form that the browser saves, from the host's node definitions."""

from __future__ import annotations

from typing import Any, NamedTuple

from .downloads import models_of

DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC}
ROW, MULTILINE, HEAD, GAP, TOP = 24, 110, 46, 40, 40
BELOW = {"FlowSearchRewardLoader": 38}  # px of what the page adds to a node, here a sentence


class Output(NamedTuple):
    """One output of a node; the first one by default."""

    node: dict
    slot: int = 0


def kind_of(spec: list) -> str:
    return "COMBO" if isinstance(spec[0], list) else spec[0]


def is_widget(spec: list) -> bool:
    """Whether an input has a widget. One that takes several types names the type of its widget."""
    options = spec[1] if len(spec) > 1 else {}
    kind = options.get("widgetType", kind_of(spec))
    return kind in WIDGETS and not options.get("forceInput")


def default(spec: list) -> Any:
    """The default value of an input. For a combo without one it is the first choice."""
    options = spec[1] if len(spec) > 1 else {}
    if "default" in options:
        return options["default"]
    choices = spec[0] if isinstance(spec[0], list) else options.get("options") or [""]
    return choices[0]["key"] if isinstance(choices[0], dict) else choices[0]


class Graph:
    """A graph whose nodes are added to columns, from top to bottom."""

    def __init__(self, object_info: dict, columns: dict[str, int]) -> None:
        """`columns`: x of each column by name."""
        self.info, self.x = object_info, columns
        self.y = dict.fromkeys(columns, TOP)
        self.nodes: list[dict] = []
        self.links: list[list] = []

    def add(
        self, column: str, kind: str, title: str = "", box: tuple[int, int] = (320, 0),
        **values: Any,
    ) -> Output:  # fmt: skip
        """Add a node. Values and links are given by input name, with two underscores for a dot.

        Args:
            column: name of the column.
            kind: node id.
            title: if not the node's own name.
            box: width and height in px; height 0 for what the inputs need.
            values: value of each input, or the Output that is linked to it.
        """
        values = {name.replace("__", "."): value for name, value in values.items()}
        info, models = self.info[kind], models_of(values)
        node: dict[str, Any] = {"id": len(self.nodes) + 1, "type": kind}
        self.nodes.append(node)
        inputs, widgets, lines = self._inputs(node, info["input"], values)
        if values:
            raise ValueError(f"{kind} has no such input: got {', '.join(values)}.")
        names = info.get("output_name") or info["output"]
        outputs = [
            {"localized_name": name, "name": name, "type": type_, "links": []}
            for name, type_ in zip(names, info["output"], strict=True)
        ]
        sockets = max(len(outputs), sum("widget" not in entry for entry in inputs))
        size = [box[0], box[1] or HEAD + ROW * sockets + lines + BELOW.get(kind, 0)]
        node |= {
            "pos": [self.x[column], self.y[column]], "size": size, "flags": {},
            "order": node["id"] - 1, "mode": 0, "inputs": inputs, "outputs": outputs,
            "properties": {"Node name for S&R": kind} | ({"models": models} if models else {}),
            "widgets_values": widgets,
        }  # fmt: skip
        if title:
            node["title"] = title
        self.y[column] += size[1] + GAP
        return Output(node)

    def note(self, column: str, text: str, width: int = 320, height: int = 200) -> None:
        """Add a note.

        Args:
            column: where it goes.
            text: Markdown.
            width, height: pixels.
        """
        self.nodes.append({
            "id": len(self.nodes) + 1, "type": "MarkdownNote",
            "pos": [self.x[column], self.y[column]], "size": [width, height], "flags": {},
            "order": len(self.nodes), "mode": 0, "inputs": [], "outputs": [],
            "title": "Read me", "properties": {}, "widgets_values": [text],
        })  # fmt: skip
        self.y[column] += height + GAP

    def _inputs(self, node: dict, schema: dict, values: dict) -> tuple[list, list, int]:
        """Inputs in the schema's order, values of the widgets, their height. Empties `values`."""
        inputs, widgets, lines = [], [], 0

        def take(schema: dict, prefix: str) -> None:
            nonlocal lines
            for group in ("required", "optional"):
                for name, spec in schema.get(group, {}).items():
                    entry = {"localized_name": prefix + name, "name": prefix + name}
                    entry |= {"shape": 7} if group == "optional" else {}
                    entry |= {"type": kind_of(spec), "link": None}
                    value = values.pop(prefix + name, None)
                    if isinstance(value, Output):
                        entry["link"] = self.link(value, node, len(inputs), entry["type"])
                        value = None
                    inputs.append(entry)
                    if is_widget(spec):
                        entry["widget"] = {"name": prefix + name}
                        value = default(spec) if value is None else value
                        widgets.append(value)
                        long = len(spec) > 1 and spec[1].get("multiline")
                        lines += MULTILINE if long else ROW
                        if name in ("seed", "noise_seed"):
                            widgets.append("fixed")
                            lines += ROW
                        if entry["type"] == DYNAMIC:
                            chosen = [o for o in spec[1]["options"] if o["key"] == value]
                            take(chosen[0]["inputs"], f"{prefix}{name}.")

        take(schema, "")
        return inputs, widgets, lines

    def link(self, source: Output, node: dict, slot: int, kind: str) -> int:
        """Add a link, and return its number.

        Args:
            source: where it begins.
            node: where it ends.
            slot: number of the input there.
            kind: type of what it carries.
        """
        number = len(self.links) + 1
        self.links.append([number, source.node["id"], source.slot, node["id"], slot, kind])
        source.node["outputs"][source.slot]["links"].append(number)
        return number

    def workflow(self) -> dict:
        """The workflow in the form that the browser saves."""
        return {
            "id": "00000000-0000-0000-0000-000000000000", "revision": 0,
            "last_node_id": len(self.nodes), "last_link_id": len(self.links),
            "nodes": self.nodes, "links": self.links, "groups": [], "config": {},
            "extra": {"ds": {"scale": 0.6, "offset": [80, 80]}}, "version": 0.4,
        }  # fmt: skip
