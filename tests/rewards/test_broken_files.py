"""Field 16: a file that is no weights, or only a part of them, is called what it is."""

import dataclasses
import json
import os
import shutil
import sys

import pytest
import torch
from pack.rewards import REWARDS, Files
from pack.rewards.files.state_dict import read_state
from pack.rewards.files.weights import Source, peek
from safetensors.torch import load_file, save_file

from .families import FOLDER, LOCAL, made
from .test_clip import build as build_clip
from .tiny_clip import PROMPTS, pictures, shown
from .weights_files import SOURCE, STATE, header, refusal

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 3944692325\n"
LFS = "it is a git-lfs pointer: run git lfs pull"
FOLDERS = [family for family, local in LOCAL.items() if local.names == FOLDER]
CONTENTS = {
    "pointer": (POINTER, LFS),
    "annex": (b"/annex/objects/SHA256E-s12--ab.safetensors\n", "run git annex get"),
    "empty": (b"", "it is empty, 0 bytes: download it again"),
    "page": (b"\n<!DOCTYPE html><html><title>Sign in</title>", "it is a web page"),
    "page after a mark": (b"\xef\xbb\xbf<html>", "it is a web page"),
    "answer": (b'{"error":"Repository not found"}', 'it is text that begins with \'{"error"'),
    "words": (b"Entry not found", "it is text that begins with 'Entry not found'"),
    "archive": (b"\x1f\x8b\x08\x00" + bytes(90), "it is a gzip archive"),
    "GGUF": (b"GGUF\x03\x00\x00\x00" + bytes(90), "it is a GGUF file"),
    "picture": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(90), None),
}
UNIX = pytest.mark.skipif(os.name == "nt", reason="links need rights there, pipes are others")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".SAFETENSORS", ".bin"])
@pytest.mark.parametrize("name", CONTENTS)
def test_what_lies_there_instead(name, suffix, tmp_path):
    content, said = CONTENTS[name]
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    for told in (refusal(peek, file), refusal(read_state, file, SOURCE, "b")):
        assert told.startswith(f"{file} cannot be read as weights (") and (said or "it") in told


def test_a_header_may_begin_with_any_byte(tmp_path):
    """The length of a header is a number: such as begin a pickle or an archive are among them."""
    for first in (0x80, 0x4B50, 0x8B1F, 0x0A3C):
        entry = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
        text = json.dumps(entry).encode()
        file = header(tmp_path / "a.safetensors", text.ljust(first), tail=bytes(4))
        assert peek(file).shapes == {"a": (1,)}
        assert read_state(file, SOURCE, "a")["a"] == 0


@pytest.mark.parametrize(
    "text", [b"[]", b"null", b'{"a":3}', b'{"a":{"dtype":"F32","shape":7,"data_offsets":[0,4]}}',
             b"{", b'{"\xff":1}', b'{"a":' + b"[" * 200_000]
)  # fmt: skip
def test_a_header_that_is_none_is_named_in_words(text, tmp_path):
    told = refusal(peek, header(tmp_path / "a.safetensors", text, tail=bytes(4)))
    assert "its header is not valid" in told or "it has no safetensors header" in told


@pytest.mark.parametrize("text", [b'{"model_type": "cl', b'{"model_type": "\xe9"}', b"clip"])
def test_a_config_that_is_no_json_is_named_in_words(text, tmp_path):
    (tmp_path / "config.json").write_bytes(text)
    save_file(STATE, tmp_path / "model.safetensors")
    assert "has a config.json that cannot be read (it is not JSON)" in refusal(peek, tmp_path)


def test_weights_under_another_suffix(tmp_path):
    torch.save(STATE, tmp_path / "a.safetensors")
    assert "it is a pickle of PyTorch: name it .pt" in refusal(peek, tmp_path / "a.safetensors")
    save_file(STATE, tmp_path / "b.pt")
    told = refusal(read_state, tmp_path / "b.pt", SOURCE, "b")
    assert "it is a safetensors file: name it .safetensors" in told


@UNIX
@pytest.mark.parametrize("end", ["", "/model.safetensors", "/config.json"])
def test_links_that_lead_nowhere(end, tmp_path):
    place = tmp_path / f"model{end}"
    place.parent.mkdir(exist_ok=True)
    if end == "/model.safetensors":
        (place.parent / "config.json").write_text('{"model_type": "clip"}')
    place.symlink_to(tmp_path / "gone")
    for told in (refusal(peek, tmp_path / "model"), clip_refusal(tmp_path / "model")):
        assert f"it is a link to {tmp_path / 'gone'}, which does not exist" in told
    place.unlink()
    place.symlink_to(place)
    for told in (refusal(peek, tmp_path / "model"), clip_refusal(tmp_path / "model")):
        assert "it is a link that leads back to itself" in told


def clip_refusal(path):
    return refusal(REWARDS["clip_score"](checkpoint=str(path)).load, Files())


@UNIX
def test_what_is_no_file(tmp_path):
    (tmp_path / "folder.safetensors").mkdir()
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "endless.safetensors").symlink_to("/dev/zero")
    pipe = "not a regular file"
    for name, said in [("folder", "a folder"), ("pipe", pipe), ("endless", pipe)]:
        assert f"(it is {said}" in refusal(peek, tmp_path / f"{name}.safetensors")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    save_file(STATE, tmp_path / "a.safetensors")
    real = os.stat

    def denied(path, **how):
        if str(path).endswith("a.safetensors"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **how)

    monkeypatch.setattr(os, "stat", denied)
    assert "you have no permission to read it" in refusal(peek, tmp_path / "a.safetensors")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".old.pt"])
def test_a_download_that_broke_off(suffix, tmp_path):
    file = tmp_path / f"a{suffix}"
    state = {"a": torch.randn(300)}
    if suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=suffix == ".pt")
    whole = file.read_bytes()
    for length in (30, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert "(incomplete file" in refusal(read_state, file, SOURCE, "a")
    if suffix == ".safetensors":
        length = f"{len(whole) - 1:,} of {len(whole):,} bytes"
        assert length in refusal(read_state, file, SOURCE, "a")
        assert length in peek(file).truncated


@pytest.mark.parametrize("place", ["PickScore_v1", "pickscore", "models--yuvalkirstain--PickScore"])
def test_a_broken_pickscore_names_its_own_page(place, tmp_path):
    """By the folder's name, or the file's."""
    build_clip(tmp_path / place)
    file = tmp_path / place / "model.safetensors"
    copy = shutil.copy(file, tmp_path / f"{place}.safetensors")
    for path in (tmp_path / place, copy):
        broken = file if path == tmp_path / place else path
        with open(broken, "r+b") as opened:
            opened.truncate(5000)
        told = clip_refusal(path)
        assert "incomplete file, 5,000 of " in told
        assert told.endswith(". Get it at https://huggingface.co/yuvalkirstain/PickScore_v1.")


def test_the_page_is_that_of_the_longest_name_in_the_path(tmp_path):
    wanted = Source("a thing", "https://example.org", ("a/thing-14", "b/Thing-14-336", "c/x_v2"))
    for place, page in [
        ("thing-14/model.safetensors", "a/thing-14"),
        ("Thing_14_336.safetensors", "b/Thing-14-336"),
        ("models--c--x/snapshots/model.pt", "c/x_v2"),
    ]:
        assert str(wanted.error(tmp_path / place, "is")).endswith(f"huggingface.co/{page}.")
    assert str(wanted.error(tmp_path / "y.pt", "is")).endswith("at https://example.org.")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    kept = {}

    def original(family):
        if family not in kept:
            path = tmp_path_factory.mktemp(family)
            kept[family] = *made(family, path), path
        return kept[family]

    return original


@pytest.fixture(params=FOLDERS)
def copied(request, originals, tmp_path):
    """A family that is a folder: its reward on a copy that may be spoiled, and the copy."""
    reward, files, folder = originals(request.param)
    copy = shutil.copytree(folder, tmp_path / "copy")
    return dataclasses.replace(reward, checkpoint=str(copy)), files, copy


def test_a_folder_of_pointers(copied):
    reward, files, folder = copied
    for file in folder.iterdir():
        if file.suffix in (".safetensors", ".bin"):
            file.write_bytes(POINTER)
    assert LFS in refusal(reward.load, files)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "vocab.json", "vocab.txt"])
def test_a_pointer_beside_the_weights(copied, name):
    reward, files, folder = copied
    found = list(folder.rglob(name))
    if not found:
        pytest.skip("it has none")
    found[0].write_bytes(POINTER)
    if name == "config.json" or "clip_ref" not in str(reward) and reads(reward, name):
        assert LFS in refusal(reward.load, files)


def reads(reward, name):
    """Families of pictures alone read no tokenizer."""
    return type(reward).__name__ not in ("TemporalConsistency", "ClipReference")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_configuration_with_a_byte_order_mark(copied, encoding):
    reward, files, folder = copied
    config = folder / "config.json"
    config.write_text(config.read_text("utf-8"), encoding)
    assert peek(folder).kind
    assert reward.load(files)


@pytest.mark.parametrize("spoil", [b"\xff{}", b"{\xe9: 1}", b'{"a": "\xe9"}'])
def test_a_configuration_in_no_encoding(copied, spoil):
    reward, files, folder = copied
    (folder / "config.json").write_bytes(spoil)
    told = refusal(reward.load, files)
    assert f"{folder} has a config.json that cannot be read (" in told


def test_capital_suffixes(copied):
    """In a folder as well as alone; transformers itself does not see them."""
    reward, files, folder = copied
    images = shown(pictures(70, 90))
    if type(reward).__name__ == "TemporalConsistency":
        images = torch.stack([images, images.roll(1, 2)], 1)
    wanted = reward.load(files).score(images, PROMPTS_OF)
    for index in folder.rglob("*.index.json"):
        index.unlink()
    for file in list(folder.iterdir()):
        if file.suffix == ".safetensors":
            file.rename(file.with_suffix(".SAFETENSORS"))
    assert peek(folder).shapes or type(reward).__name__ == "ClipFlanT5Score"
    found = reward.load(files).score(images, PROMPTS_OF)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


PROMPTS_OF = ["three red circles and a blue dog"] * 3


def test_a_capital_suffix_of_a_file(tmp_path):
    build_clip(tmp_path)
    (tmp_path / "config.json").unlink()
    file = (tmp_path / "model.safetensors").rename(tmp_path / "CLIP.SAFETENSORS")
    scorer = REWARDS["clip_score"](checkpoint=str(file)).load(Files())
    assert scorer.score(shown(pictures(40, 32)), PROMPTS).isfinite().all()
    torch.save(load_file(file), tmp_path / "CLIP.PT")
    assert REWARDS["clip_score"](checkpoint=str(tmp_path / "CLIP.PT")).load(Files())


def test_a_tokenizer_of_any_length_is_not_read(tmp_path):
    build_clip(tmp_path)
    with open(tmp_path / "tokenizer.json", "wb") as file:
        file.truncate(65_000_000)
    told = clip_refusal(tmp_path)
    assert "tokenizer.json: it has 65,000,000 bytes, expected at most 64,000,000" in told


def test_a_configuration_of_any_length_is_not_read(copied):
    reward, files, folder = copied
    with open(folder / "config.json", "ab") as file:
        file.write(b" " * 8_000_000)
    told = refusal(reward.load, files)
    assert f"{folder} has a config.json that cannot be read (it has 8,00" in told


def test_a_part_that_is_missing_is_named(copied):
    """A download of a model in several files that ended early."""
    reward, files, folder = copied
    state = {}
    for file in [*folder.glob("*.safetensors"), *folder.glob("*.index.json")]:
        state |= load_file(file) if file.suffix == ".safetensors" else {}
        file.unlink()
    if not state:
        pytest.skip("it has pickles, which test_clip_flant5_checkpoint.py takes away")
    first, second = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    keys = sorted(state)
    save_file({key: state[key] for key in keys[:-3]}, folder / first, {"format": "pt"})
    places = {key: first if key in keys[:-3] else second for key in keys}
    told = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(told))
    assert f"lacks {second}" in refusal(reward.load, files)
    save_file({key: state[key] for key in keys[-3:]}, folder / second, {"format": "pt"})
    assert reward.load(files)


@pytest.mark.parametrize("depth", [41, 900, 100_000])
def test_a_configuration_nested_too_deep(copied, depth):
    reward, files, folder = copied
    config = json.loads((folder / "config.json").read_text("utf-8"))
    text = json.dumps(config | {"deep": 0})[:-2] + '{"a":' * depth + "0" + "}" * depth + "}"
    (folder / "config.json").write_text(text)
    assert "config.json that cannot be read (it is nested too deep)" in refusal(reward.load, files)
    assert sys.getrecursionlimit() < 100_000
