"""What the host says about types of nodes, for a walk through an executed graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nodes

from .guiders import host_file
from .upstream_prompt import Signature

# Nodes that only compute texts and values, so that their answer can be asked for again.
COMPUTED = ("comfy_extras/nodes_string.py", "comfy_extras/nodes_primitive.py")


def signature_of(class_type: str) -> Signature:
    """The signature of a type of node; empty if the host has no such type."""
    kind = nodes.NODE_CLASS_MAPPINGS.get(class_type)
    if kind is None:
        return Signature()
    declared = kind.INPUT_TYPES()
    inputs = {
        name: _type(spec[0])
        for group in ("required", "optional")
        for name, spec in declared.get(group, {}).items()
    }
    outputs = tuple(map(_type, getattr(kind, "RETURN_TYPES", ())))
    names = tuple(getattr(kind, "RETURN_NAMES", None) or outputs)
    return Signature(inputs, tuple(zip(outputs, names, strict=False)), _compute(kind))


def _type(declared: Any) -> str:
    """The type as a word. The host writes a combo as the list of its choices."""
    return declared if isinstance(declared, str) else "COMBO"


def _compute(kind: Any) -> Callable[..., str] | None:
    execute = getattr(kind, "execute", None)
    if execute is None or host_file(execute) not in COMPUTED:
        return None
    return lambda **inputs: str(execute(**inputs)[0])
