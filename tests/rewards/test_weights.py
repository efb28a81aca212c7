"""What a file holds is told without loading it."""

import json
from collections import OrderedDict

import pytest
import torch
from pack.rewards.files.state_dict import check_complete, read_layout, read_state
from pack.rewards.files.weights import LOOKS_LIKE, PREFIXES, Peek, peek, single_file
from safetensors.torch import save_file

from .weights_files import SHAPES, SOURCE, STATE, header, refusal


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors", metadata={"format": "pt"})
    seen = peek(tmp_path / "a.safetensors")
    assert seen.shapes == SHAPES and seen.config == {} and seen.kind == "" and not seen.unknown


def test_safetensors_are_told_from_the_header_alone(tmp_path):
    """The file of a large model, of which only the first bytes are there to be read."""
    entry = {"dtype": "F32", "shape": [10**6, 10**3], "data_offsets": [0, 4 * 10**9]}
    file = header(tmp_path / "large.safetensors", {"a": entry}, tail=bytes(64))
    assert peek(file).shapes == {"a": (10**6, 10**3)}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        OrderedDict,
        lambda state: {"state_dict": state, "epoch": 3, "args": {"lr": 0.1}},
        lambda state: {"model": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"state_dict": {"model": state}},
        lambda state: state | {"note": "text", 5: torch.zeros(1)},
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles(tmp_path, wrap, zipped):
    file = tmp_path / "a.pt"
    torch.save(wrap(STATE), file, _use_new_zipfile_serialization=zipped)
    seen = peek(file)
    assert seen.shapes == (SHAPES if zipped else None)
    assert seen.unknown == (not zipped)
    state = read_state(file, SOURCE, "b")
    assert state.keys() == SHAPES.keys() and torch.equal(state["a.weight"], STATE["a.weight"])


def test_a_peek_reads_no_values_of_a_pickle(tmp_path, monkeypatch):
    torch.save(STATE, tmp_path / "a.pt")
    loaded, load = [], torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: loaded.append(k) or load(*a, **k))
    peek(tmp_path / "a.pt")
    assert loaded == [{"map_location": "meta", "weights_only": True}]


def test_folders(tmp_path):
    assert "neither a weights file nor a folder with" in refusal(peek, tmp_path)
    assert "neither a weights file nor a folder with" in refusal(peek, tmp_path / "missing.pt")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", "projection_dim": 8}))
    seen = peek(tmp_path)
    assert (seen.kind, seen.shapes, seen.unknown, seen.no_weights) == ("clip", None, False, True)
    assert seen.looks_like() == 'a model of type "clip"'
    save_file({"a.weight": torch.zeros(2, 3)}, tmp_path / "model-1.safetensors")
    save_file({"b": torch.tensor(0.0)}, tmp_path / "model-2.safetensors")
    assert peek(tmp_path).shapes == SHAPES, "what came later shows"
    assert not peek(tmp_path).no_weights
    (tmp_path / "model-2.safetensors").unlink()
    assert peek(tmp_path).shapes == {"a.weight": (2, 3)}


@pytest.mark.parametrize("text", ["", "{", "[]", '"clip"', "null", "[" * 100_000])
def test_a_configuration_that_is_none(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    for told in (refusal(peek, tmp_path), refusal(single_file, tmp_path, SOURCE)):
        assert f"{tmp_path} has a config.json that cannot be read" in told


def test_a_file_that_changed_is_looked_at_again(tmp_path):
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"half of it")
    refusal(peek, file)
    save_file(STATE, file)
    assert peek(file).shapes == SHAPES
    assert peek(file) is peek(file)
    save_file(STATE | {"c": torch.zeros(1)}, file)
    assert "c" in peek(file).shapes


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes(tmp_path, prefix):
    state = {f"{prefix}{key}": value for key, value in STATE.items()} | {"other": torch.ones(1)}
    save_file(state, tmp_path / "a.safetensors")
    seen = peek(tmp_path / "a.safetensors")
    assert seen.has(*SHAPES) and seen.prefix(*SHAPES) == prefix
    assert not seen.has(*SHAPES, "c") and not seen.has("weight")
    found = read_state(tmp_path / "a.safetensors", SOURCE, *SHAPES)
    assert found.keys() == SHAPES.keys() | ({"other"} if not prefix else set())


def test_all_keys_are_behind_one_prefix(tmp_path):
    save_file({"model.a.weight": torch.zeros(1), "b": torch.ones(1)}, tmp_path / "a.safetensors")
    assert not peek(tmp_path / "a.safetensors").has("a.weight", "b")
    refusal(read_state, tmp_path / "a.safetensors", SOURCE, "a.weight", "b")


def test_the_first_layout_that_is_there(tmp_path):
    save_file({f"model.{key}": value for key, value in STATE.items()}, tmp_path / "a.safetensors")
    number, state = read_layout(tmp_path / "a.safetensors", SOURCE, ("c",), ("b",), ("a.weight",))
    assert number == 1 and state.keys() == SHAPES.keys()


@pytest.mark.parametrize("key", LOOKS_LIKE)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_looks_like(tmp_path, key, prefix):
    save_file({f"{prefix}{key}": torch.zeros(1)}, tmp_path / "a.safetensors")
    assert peek(tmp_path / "a.safetensors").looks_like() == LOOKS_LIKE[key]
    wrong = refusal(read_state, tmp_path / "a.safetensors", SOURCE, "b")
    assert wrong == (
        f"{tmp_path / 'a.safetensors'} looks like {LOOKS_LIKE[key]}: expected a thing. Get it at "
        "https://example.org/thing."
    )


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (["logit_scale", "vision_model.head.probe", "text_model.head.weight"], "SigLIP"),
        (["visual.conv1.weight", "logit_scale"], "CLIP in open_clip layout"),
        (["model.logit_scale", "cross_model.layers.0.0.fn.to_q.weight"], "MPS"),
        (
            ["logit_scale", "text_model.embeddings.token_embedding.weight"],
            "CLIP in Hugging Face layout",
        ),
        (["x.weight"], "something else (first key x.weight)"),
        ([], "a file without tensors"),
    ],
)
def test_looks_like_the_most_telling(keys, name):
    assert Peek(None, {}, {key: (1,) for key in keys}).looks_like() == name


def test_single_file(tmp_path):
    assert "does not exist" in refusal(single_file, tmp_path / "a", SOURCE)
    assert "no config.json of a model and 0 weights" in refusal(single_file, tmp_path, SOURCE)
    file = tmp_path / "a.safetensors"
    save_file(STATE, file)
    assert single_file(file, SOURCE) == single_file(tmp_path, SOURCE) == file
    for config in ({}, {"tag": "some repository"}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert single_file(tmp_path, SOURCE) == file
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    assert single_file(tmp_path, SOURCE) is None
    (tmp_path / "config.json").write_text("{}")
    save_file(STATE, tmp_path / "b.safetensors")
    assert "no config.json of a model and 2 weights" in refusal(single_file, tmp_path, SOURCE)


def test_check_complete(tmp_path):
    check_complete(tmp_path, [], SOURCE)
    check_complete(tmp_path, ["x.position_ids"], SOURCE)
    wrong = refusal(check_complete, tmp_path, ["b", "a", "x.position_ids"], SOURCE)
    assert "lacks 2 tensors, a among them: expected a thing." in wrong
