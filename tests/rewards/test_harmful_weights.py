"""No file of any kind does harm."""

import json

import pytest
import torch
from pack.rewards.files import weights
from pack.rewards.files.state_dict import read_state
from pack.rewards.files.weights import peek
from safetensors.torch import save_file

from .weights_files import SHAPES, SOURCE, STATE, Evil, header, refusal


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["alone", "among tensors"])
def test_malicious_pickles_run_nothing(tmp_path, zipped, place):
    evil = Evil(tmp_path / "ran")
    content = evil if place == "alone" else {"state_dict": STATE | {"c": evil}}
    file = tmp_path / "evil.pt"
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    if zipped:
        assert "cannot be read as weights (UnpicklingError)" in refusal(peek, file)
    else:
        assert peek(file).unknown
    wrong = refusal(read_state, file, SOURCE, "b")
    assert "cannot be read as weights (UnpicklingError)" in wrong
    assert not evil.mark.exists()
    torch.load(file, weights_only=False)
    assert evil.mark.exists(), "the test's own pickle does no harm"


def test_a_pickle_that_holds_itself_ends(tmp_path):
    content = dict(STATE)
    content["model"] = content
    torch.save(content, tmp_path / "loop.pt")
    assert peek(tmp_path / "loop.pt").shapes == SHAPES


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_pickles_need_a_pytorch_that_reads_them_safely(tmp_path, monkeypatch):
    torch.save(STATE, tmp_path / "a.pt")
    save_file(STATE, tmp_path / "a.safetensors")
    for version in ("2.5.1+cu124", "1.13.1"):
        monkeypatch.setattr(torch, "__version__", version)
        assert "NeedsPyTorch26" in refusal(peek, tmp_path / "a.pt")
        assert "NeedsPyTorch26" in refusal(read_state, tmp_path / "a.pt", SOURCE, "b")
        assert read_state(tmp_path / "a.safetensors", SOURCE, "b")
    for version in ("2.6.0a0+df5bbc09d1.nv24.12", "2.11.0", "3.0.0.dev2030"):
        monkeypatch.setattr(torch, "__version__", version)
        assert read_state(tmp_path / "a.pt", SOURCE, "b")


GARBAGE = {
    "empty": b"",
    "short": b"abc",
    "a web page": b"<html><body>Not found</body></html>",
    "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "half a zip": b"PK\x03\x04" + bytes(40),
    "an old pickle, cut": b"\x80\x02\x8a\nl\xfc\x9cF\xf9",
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("suffix", weights.SUFFIXES)
def test_garbage(tmp_path, name, suffix):
    file = tmp_path / f"a{suffix}"
    file.write_bytes(GARBAGE[name])
    try:
        assert peek(file).unknown and suffix != ".safetensors"
    except ValueError as error:
        assert "cannot be read as weights (" in str(error) and str(error).startswith(str(file))
    wrong = refusal(read_state, file, SOURCE, "b")
    assert wrong.startswith(f"{file} cannot be read as weights (")
    assert wrong.endswith(": expected a thing. Get it at https://example.org/thing.")


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ({"a": ENTRY}, 2**63),
        ({"a": ENTRY}, 10**9),
        ({"a": ENTRY}, 10**6),
        ({"a": ENTRY}, 5),
        (b"[1, 2]", None),
        (b'"text"', None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        ({"a": {"dtype": "F32"}}, None),
        ({"a": None}, None),
        ({"a": ENTRY | {"shape": 3}}, None),
    ],
)
def test_a_header_that_lies(tmp_path, text, claim):
    file = header(tmp_path / "lie.safetensors", text, claim, bytes(8))
    assert "cannot be read as weights (" in refusal(peek, file)
    assert "cannot be read as weights (" in refusal(read_state, file, SOURCE, "a")


def test_a_header_that_the_file_ends_before(tmp_path):
    text = json.dumps({"a": ENTRY | {"shape": [0], "data_offsets": [0, 0]}}).encode()
    assert peek(header(tmp_path / "right.safetensors", text)).shapes == {"a": (0,)}
    for more in (1, 8):
        file = header(tmp_path / "cut.safetensors", text, len(text) + more)
        assert "cannot be read as weights (incomplete file, " in refusal(peek, file)


def test_a_header_is_read_up_to_100_megabytes(tmp_path, monkeypatch):
    """A sparse file: as long as its header says, which nobody should read."""
    file = header(tmp_path / "sparse.safetensors", b"{}", 150_000_000)
    with open(file, "r+b") as opened:
        opened.truncate(200_000_000)
    monkeypatch.setattr(weights.json, "loads", lambda text: pytest.fail(f"read {len(text)}"))
    assert "cannot be read as weights (it has no safetensors header)" in refusal(peek, file)
