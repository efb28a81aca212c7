"""Field 31: a report or picture of somebody else's is replayed, or refused in one sentence."""

import copy
import json
import struct
import zlib

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import search, with_input
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def twice(report):
    report["lineage"].insert(0, report["lineage"][0])


HOSTILE = {
    "a birth twice": (twice, r"lineage\[1\]: got kind born after born"),
    "its own parent": (
        lambda r: r["trace"][4].update(parent=r["trace"][4]["id"]),
        r"trace\[4\].parent: got \d+, expected an id below",
    ),
    "a huge image": (lambda r: r.update(image=10**12), "image: got 1000000000000, expected"),
    "many rows": (lambda r: r["lineage"][0].update(rows=10**9), r"lineage\[0\].rows: got 10+, exp"),
    "a later step": (lambda r: r["lineage"][-1].update(step=99), "step: got 99, expected"),
    "no numbers": (lambda r: r["sigmas"].__setitem__(0, "1"), r"sigmas\[0\]: got '1', expected a"),
    "a path": (lambda r: r["best"].update(path="x"), "best.path: got 'x', expected a whole number"),
    "a lookahead": (lambda r: r["spent"].update(lookahead=0.5), "spent.lookahead: got 0.5, expect"),
}


@pytest.fixture(scope="module")
def report(host):
    return host.probe(search(name="replay hostile", seed=49))["report"]


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_report_is_one_sentence(host, report, case):
    spoil, said = HOSTILE[case]
    report = copy.deepcopy(report)
    spoil(report)
    graph = search(name="replay hostile", seed=49, replay=json.dumps(report))
    with pytest.raises(ComfyError, match=said) as caught:
        host.run(graph)
    assert "\n" not in str(caught.value)


def png(path, texts, size=(8, 8)):
    info = PngInfo()
    for text in texts:
        info.add_text("flow_search", text)
    Image.new("RGB", size).save(path, pnginfo=info)


def chunk(kind, data):
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def bomb(path):
    """A text of 512 MiB in half a megabyte."""
    packed = zlib.compress(b" " * (1 << 29), 9)
    data = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    data += chunk(b"zTXt", b"flow_search\0\0" + packed)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b""))


def huge(path):
    """A picture of 200,000 pixels a side, of which nothing is there."""
    data = chunk(b"IHDR", struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IDAT", b"x") + chunk(b"IEND", b""))


def cut(path):
    png(path, ["{}"])
    path.write_bytes(path.read_bytes()[:60])


PICTURES = {
    "text": lambda path: path.write_text("not a picture"),
    "nothing": lambda path: path.write_bytes(b""),
    "jpeg": lambda path: Image.new("RGB", (8, 8)).save(path, "JPEG"),
    "gif": lambda path: Image.new("RGB", (8, 8)).save(path, "GIF"),
    "cut": cut,
    "bomb": bomb,
    "huge": huge,
    "folder": lambda path: path.mkdir(),
    "none": lambda path: png(path, []),
    "broken": lambda path: png(path, ["{"]),
    "deep": lambda path: png(path, ["[" * 100_000]),
    "list": lambda path: png(path, ["[1]"]),
    "number": lambda path: png(path, ["7"]),
    "null": lambda path: png(path, ['{"3": null}']),
    "two": lambda path: png(path, ['{"3": {}, "4": {}}']),
    "twice": lambda path: png(path, ['{"3": {}, "3": {}}']),
    "NaN": lambda path: png(path, ['{"3": {"version": NaN}}']),
}


@pytest.mark.parametrize("case", PICTURES)
def test_a_hostile_picture_is_one_sentence(host, case):
    PICTURES[case](host.base / "input" / f"hostile {case}.png")
    with pytest.raises(ComfyError) as caught:
        host.run(search(name="replay hostile", seed=49, replay=f"hostile {case}.png"))
    said = str(caught.value)
    assert "\n" not in said
    assert any(word in said for word in ("wanted", "expected", "twice", "cannot be read")), said


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "/etc/secret.png", "a/../../secret.png", r"..\secret.png", r"C:\secret.png",
     "../output/x.png [output]", "a\0b.png", "x" * 300 + ".png", r"\\server\share\a.png"],
)  # fmt: skip
def test_a_picture_is_below_the_folders_of_the_host(host, name):
    png(host.base / "secret.png", ["{}"])
    with pytest.raises(ComfyError) as caught:
        host.run(search(name="replay hostile", seed=49, replay=name))
    said = str(caught.value)
    assert said.startswith("replay ") and "expected" in said and "\n" not in said


def test_a_picture_in_a_folder_and_one_cut_short_behind_its_report_are_enough(host, report):
    (host.base / "input" / "mine").mkdir(exist_ok=True)
    path = host.base / "input" / "mine" / "a.png"
    png(path, [json.dumps({"3": report})], (64, 64))
    path.write_bytes(path.read_bytes()[:-20])
    graph = search(name="replay in a folder", seed=49)
    first = host.probe(graph)["latent"]
    found = host.probe(with_input(graph, "search", "replay", "mine/a.png"))
    assert found["latent"] == first
