"""Field 36: what the report could not be written with is refused before any compute."""

import json
import math
from dataclasses import dataclass, field, fields

import numpy as np
import pytest
import torch
from pack.rewards import MODES, REWARDS
from pack.samplers.guidance import GUIDANCES
from pack.samplers.interpolants import INTERPOLANTS
from pack.samplers.search import SEARCHES

REGISTRIES = {
    "reward": REWARDS,
    "mode": MODES,
    "method": SEARCHES,
    "interpolant": INTERPOLANTS,
    "guidance": GUIDANCES,
}
NUMBERS = [
    (name, key, setting.name)
    for name, registry in REGISTRIES.items()
    for key, cls in registry.items()
    for setting in fields(cls)
    if setting.type in ("float", "int", float, int)
]


@pytest.mark.parametrize(("name", "key", "setting"), NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_setting_that_is_no_finite_number_is_one_sentence(parts, name, key, setting, value):
    with pytest.raises(ValueError) as caught:
        parts.schema.build(name, REGISTRIES[name], {name: key, setting: value})
    said = str(caught.value)
    assert said == f"{name}.{setting} is not finite: got {value}, expected a finite number."


def test_every_registry_has_numbers():
    assert {name for name, *_ in NUMBERS} == set(REGISTRIES)


def not_finite(name: str, value: str) -> str:
    return f"{name} is not finite: got {value}, expected a finite number."


@dataclass(frozen=True)
class Foreign:
    """The settings of somebody else's reward."""

    value: object = field(default=None)


REFUSED = {
    "a set": ({1}, "reward.value cannot go into a report: got a set, expected a number"),
    "bytes": (b"a", "got a bytes"),
    "a tensor": (torch.zeros(2), "got a Tensor"),
    "an array": (np.zeros(2), "got a ndarray"),
    "an object": (object(), "got a object"),
    "a complex number": (1j, "got a complex"),
    "NaN in a list": ([1.0, [math.nan]], not_finite("reward.value[1][0]", "nan")),
    "infinity in a tuple": ((math.inf,), not_finite("reward.value[0]", "inf")),
    "NaN in an object": ({"a": {"b": math.nan}}, not_finite("reward.value.a.b", "nan")),
    "NaN of numpy": (np.float32("nan"), not_finite("reward.value", "nan")),
    "infinity of torch": (torch.tensor(math.inf), not_finite("reward.value", "inf")),
    "a key that is none": ({1: 2}, "reward.value has an entry without a valid name: got 1"),
    "a whole number beyond all": (10**5000, "is too large: got a number of 16610 bits"),
    "half a character": ("a\ud800", "reward.value has half of a character: got '\\ud800'"),
    "a set in a list": ([{1}], "reward.value[0] cannot go into a report: got a set"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_json_cannot_say_is_one_sentence(parts, case):
    value, said = REFUSED[case]
    for ask in (
        lambda: parts.schema.build("reward", {"own": Foreign}, {"reward": "own", "value": value}),
        lambda: parts.schema.flat("reward", "own", Foreign(value)),
    ):
        with pytest.raises(ValueError) as caught:
            ask()
        assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_setting_nested_without_end_is_one_sentence(parts):
    endless = []
    endless.append(endless)
    with pytest.raises(
        ValueError, match="is nested too deep: got more than 12 levels, expected 12"
    ):
        parts.schema.flat("reward", "own", Foreign(endless))


def test_what_can_be_converted_is(parts):
    value = {"a": (np.float32(0.5), np.int64(3), torch.tensor(2), np.bool_(True)), "b": [None, "é"]}
    told = parts.schema.flat("reward", "own", Foreign(value))
    assert told == {"reward": "own", "reward.value": {"a": [0.5, 3, 2, True], "b": [None, "é"]}}
    assert json.loads(json.dumps(told, allow_nan=False)) == told


@pytest.mark.parametrize("name", REGISTRIES)
def test_an_unknown_choice_is_a_short_sentence(parts, name):
    """A long menu is not read out: the panel has room for one sentence."""
    registry = REGISTRIES[name]
    with pytest.raises(ValueError) as caught:
        parts.schema.chosen(name, registry, {name: "nothing"})
    said, names = str(caught.value), list(registry)
    assert said.startswith(f"Unknown {name}: got 'nothing', expected one of {names[0]}, {names[1]}")
    named = sum(f" {each}," in said or f" {each}." in said for each in names)
    more = f", {len(names) - 3} more in the menu." if len(names) > 10 else f"{names[-1]}."
    assert named == (3 if len(names) > 10 else len(names)) and said.endswith(more)
