"""The settings of all kernels as inputs of one node, made from the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from comfy_api.latest import io

from ...samplers.kernels import KERNELS, all_settings
from ...samplers.kernels.settings import KernelSettings
from ..schema import build, combo, flat, nested, plain, widget


def setting_inputs() -> list[io.Input]:
    """The inputs of all kernels' settings, each once."""
    return [_input(setting) for setting in all_settings().values()]


def _input(setting: Field) -> io.Input:
    if registry := setting.metadata.get("registry"):
        return combo(setting.name, registry, setting.metadata["tooltip"])
    return widget(setting, optional=_optional(setting))


def _optional(setting: Field) -> bool:
    """False for the inputs of the first release, which every workflow has."""
    return setting.metadata.get("optional", True) and "registry" not in setting.metadata


def read_kernel(kernel: str, inputs: dict[str, Any]) -> tuple[KernelSettings, dict[str, Any]]:
    """The settings of the chosen kernel, and the report entries of the node's settings.

    A report lists the kernel's own settings, and those that are not optional. `inputs` loses the
    fields of nested ones.

    Raises:
        ValueError: an unknown kernel, or a setting that its kernel or a report cannot hold.
    """
    if kernel not in KERNELS:
        raise ValueError(f"There is no such kernel: got {kernel!r}, expected {names(KERNELS)}.")
    chosen = KERNELS[kernel]
    used = {setting.name for setting in fields(chosen)}
    values, entries = {}, {}
    for name, setting in all_settings().items():
        if name in used or not _optional(setting):
            values[name], row = _read(setting, inputs)
            entries |= row
    return chosen(**{name: values[name] for name in used}), entries | plain({"kernel": kernel})


def _read(setting: Field, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A setting of the node's inputs, and its report entries."""
    name = setting.name
    if registry := setting.metadata.get("registry"):
        value = nested(name, inputs.get(name), inputs)
        built = build(name, registry, value)
        return built, flat(name, value[name], built)
    value = inputs.get(name, setting.default)
    return value, plain({name: value})


def names(kernels: Mapping[str, Any]) -> str:
    """Kernels as an error lists them: "a, b or c"."""
    *first, last = kernels
    return f"{', '.join(first)} or {last}" if first else last
