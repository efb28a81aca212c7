"""Settings declared once: dataclass fields become node inputs, node values become settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import Any

from comfy_api.latest import io

from .json_values import written

CATEGORY = "sampling/flow search"
FEW = 10  # choices that a sentence may name
PLAIN = (str, int, float, list, dict, type(None))  # what JSON can say
FlowReward = io.Custom("FLOW_REWARD")
FlowWorkers = io.Custom("FLOW_WORKERS")
SOCKETS: dict[str, Callable[..., io.Input]] = {
    "noise": io.Noise.Input,
    "model": io.Model.Input,
    "guider": io.Guider.Input,
    "sampler": io.Sampler.Input,
    "sigmas": io.Sigmas.Input,
    "latent": io.Latent.Input,
    "vae": io.Vae.Input,
    "image": io.Image.Input,
    "clip": io.Clip.Input,
    "reward": FlowReward.Input,
    "workers": FlowWorkers.Input,
}
OPTIONS = (
    "min", "max", "step", "tooltip", "advanced", "multiline", "placeholder", "force_input",
)  # fmt: skip


def widget(
    setting: Field, choices: Callable[[Field], list[str]] | None = None, optional: bool = True
) -> io.Input:
    """The input of one dataclass field, made from its type, default and metadata.

    Args:
        setting: a field with metadata `checkpoint` is a combo over `choices`; one with `socket` is
            a connection.
        choices: files that a checkpoint combo lists.
        optional: the input may be absent, as in a workflow saved before the setting existed.
    """
    options = {k: setting.metadata[k] for k in OPTIONS if k in setting.metadata}
    if "checkpoint" in setting.metadata:
        options["optional"] = bool(setting.metadata.get("optional"))
        return io.Combo.Input(setting.name, options=choices(setting) if choices else [], **options)
    options["optional"] = optional
    if "socket" in setting.metadata:
        return SOCKETS[setting.metadata["socket"]](setting.name, **options)
    if listed := setting.metadata.get("choices"):
        return io.Combo.Input(
            setting.name, options=list(listed), default=setting.default, **options
        )
    kind = setting.type if isinstance(setting.type, str) else setting.type.__name__
    kind = kind.split(" |")[0]  # a widget may be left empty: "float | None"
    if kind == "float":
        options.setdefault("step", 0.01)
    makers = {"int": io.Int, "float": io.Float, "bool": io.Boolean, "str": io.String}
    return makers[kind].Input(setting.name, default=setting.default, **options)


def widgets(settings: type, choices: Callable[[Field], list[str]] | None = None) -> list[io.Input]:
    """The inputs of a settings dataclass, in the order of its fields."""
    return [widget(f, choices) for f in fields(settings)]


def combo(
    name: str,
    registry: Mapping[str, type],
    tooltip: str,
    choices: Callable[[Field], list[str]] | None = None,
    **options: Any,
) -> io.Input:
    """A DynamicCombo over a registry: each entry brings the inputs of its own settings.

    Args:
        name: of the input.
        registry: settings dataclasses by key.
        tooltip: of the input.
        choices: files that a checkpoint combo lists.
        options: further options of the input.
    """
    entries = [io.DynamicCombo.Option(key, widgets(cls, choices)) for key, cls in registry.items()]
    return io.DynamicCombo.Input(name, options=entries, tooltip=tooltip, **options)


def chosen(name: str, registry: Mapping[str, type], value: Any) -> Mapping[str, Any]:
    """A DynamicCombo's value {name: key, field: …}.

    For a key that it does not know, the host gives None, and the fields by their own names.

    Args:
        name: of the input.
        registry: what may be chosen.
        value: of the input.

    Raises:
        ValueError: the registry has no such key.
    """
    key = value.get(name) if isinstance(value, Mapping) else value
    if isinstance(value, Mapping) and isinstance(key, str) and key in registry:
        return value
    got, names = "none" if key is None else brief(key), list(registry)
    if len(names) > FEW:  # the panel has room for a sentence
        names = [*names[:3], f"{len(names) - 3} more in the menu"]
    raise ValueError(f"Unknown {name}: got {got}, expected one of {', '.join(names)}.")


def nested(name: str, value: Any, inputs: dict[str, Any]) -> Any:
    """A DynamicCombo's value as the host gives it: {name: key, field: …}.

    A script exported from a workflow gives the key alone, and fields as "name.field".

    Args:
        name: of the input.
        value: of the input.
        inputs: the node's other inputs, which lose these fields.
    """
    if not isinstance(value, str):
        return value
    names = [key for key in inputs if key.startswith(f"{name}.")]
    return {name: value} | {key.removeprefix(f"{name}."): inputs.pop(key) for key in names}


def build(name: str, registry: Mapping[str, type], value: Mapping[str, Any] | None) -> Any:
    """The settings that a DynamicCombo's value names; absent fields have their defaults.

    Args:
        name: of the input.
        registry: settings dataclasses by key.
        value: of the input.

    Raises:
        ValueError: the key, a value or a connection is none that the settings take.
    """
    value = chosen(name, registry, value)
    cls = registry[value[name]]
    settings = {f.name: value.get(f.name) for f in fields(cls)}
    sockets = [f.name for f in fields(cls) if "socket" in f.metadata]
    wired = {socket: settings[socket] for socket in sockets if settings[socket] is not None}
    check_wired(**{f"{name}.{socket}": connection for socket, connection in wired.items()})
    plain({f"{name}.{key}": value for key, value in settings.items() if key not in wired})
    return cls(**{key: value for key, value in settings.items() if value is not None})


def brief(value: Any) -> str:
    """A value as an error may quote it; for an object of a node, its class."""
    if not isinstance(value, PLAIN):
        return f"from a {type(value).__name__}"
    text = repr(value)
    return text if len(text) < 60 else f"{text[:50]}…"


def check_wired(**values: Any) -> None:
    """Refuse plain values in place of connections: the host lets them pass.

    Raises:
        ValueError: one of the values is plain.
    """
    for name, value in values.items():
        if value is None or isinstance(value, PLAIN):
            raise ValueError(f"{name} is not connected: got {brief(value)}, expected a connection.")


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a report holds them.

    Raises:
        ValueError: JSON cannot hold one of them.
    """
    return {name: written(value, name) for name, value in settings.items()}


def flat(name: str, key: str, settings: Any) -> dict[str, Any]:
    """Settings as report entries: {name: key, "name.field": value}.

    Args:
        name: of the DynamicCombo.
        key: its choice.
        settings: the dataclass that it built. For a socket the entry says whether it is connected.
    """
    entries = {f"{name}.{f.name}": getattr(settings, f.name) for f in fields(settings)}
    sockets = [f"{name}.{f.name}" for f in fields(settings) if "socket" in f.metadata]
    entries |= {socket: entries[socket] is not None for socket in sockets}
    return {name: key} | plain(entries)


def under(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The report entries of what is connected to the input `name`."""
    return {f"{name}.{key}": value for key, value in settings.items()}
