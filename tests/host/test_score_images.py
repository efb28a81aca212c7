"""Score Images over HTTP: what it keeps and rejects, of batches and of folders."""

import io
import json

import numpy as np
import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import CAPTION, node, plain, search
from PIL import Image

from .helpers.reward_graphs import brightness, combine, greys, loader, scoring

SIZES = {"a.png": (64, 64), "b.png": (96, 48), "c.png": (64, 64), "d.png": (32, 80)}
LEVELS = {"a.png": 102, "b.png": 204, "c.png": 51, "d.png": 153}


def previewed(graph, score="score"):
    """The graph with a preview of each image output."""
    outputs = {"kept": 1, "rejected": 3, "sheet": 4}
    return graph | {
        name: node("PreviewImage", images=[score, place]) for name, place in outputs.items()
    }


def saved(host, shown, name):
    """The images of a preview; none where the host skipped it."""
    entries = shown.get(name, {"images": []})["images"]
    return [Image.open(io.BytesIO(host.client.image(entry))).convert("RGB") for entry in entries]


def levels(images):
    return [round(float(np.asarray(image).mean())) for image in images]


def scores(host, graph):
    """The JSON of the scores; no image output is used."""
    shown = host.run(graph | {"json": node("PreviewAny", source=["score", 2])})
    return json.loads(shown["json"]["text"][0])


def scored(graph, prompt="", **settings):
    """Scores of the output "images" of a graph, without a preview."""
    wires = {"images": ["images", 0], "reward": ["reward", 0], "prompt": prompt}
    return graph | {"score": node("FlowSearchRewardScore", **wires, **settings)}


def test_the_best_two_of_four(host):
    graph = previewed(scoring(greys(51, 204, 102, 153) | brightness(), keep=2))
    shown = host.run(graph)
    assert levels(saved(host, shown, "kept")) == [204, 153]
    assert levels(saved(host, shown, "rejected")) == [102, 51]
    (sheet,) = saved(host, shown, "sheet")
    assert sheet.size == (560, 736)
    found = host.probe(graph)["scores"]
    assert (found["keep"], found["threshold"]) == (2, None)
    assert (found["kept"], found["rejected"]) == ([1, 3], [2, 0])
    assert "warnings" not in found


def test_a_threshold(host):
    """-0.6 is a score of the batch, and in float32 a little less."""
    graph = scoring(greys(51, 204, 102, 153) | brightness(), threshold=-0.6)
    shown = host.run(previewed(graph))
    assert levels(saved(host, shown, "kept")) == [204, 153, 102]
    assert levels(saved(host, shown, "rejected")) == [51]
    assert host.probe(graph)["scores"]["threshold"] == -0.6


def test_nothing_rejected_skips_what_uses_the_rejected(host):
    shown = host.run(previewed(scoring(greys(51, 204) | brightness())))
    assert levels(saved(host, shown, "kept")) == [204, 51]
    assert "rejected" not in shown and "sheet" in shown


def test_a_threshold_that_rejects_all(host):
    """The run ends well: what uses the kept images is skipped, report and log say why."""
    sentence = "No image reaches the threshold: got -0.2 as the best of 4, expected -0.1 or more."
    graph = previewed(scoring(greys(51, 204, 102, 153) | brightness(), threshold=-0.1))
    with host.new_log() as log:
        shown = host.run(graph)
        found = scores(host, graph)
    assert not {"kept", "probe"} & set(shown)
    assert levels(saved(host, shown, "rejected")) == [204, 153, 102, 51]
    assert len(saved(host, shown, "sheet")) == 1
    assert (found["kept"], found["warnings"]) == ([], [sentence])
    assert [line for line in log if sentence in line and "Score Images: " in line]


def test_a_picture_without_a_score_is_rejected(host):
    graph = greys(204, 51, 102) | brightness()
    graph["bad"] = node("ProbeSpoilImage", images=["images", 0], count=1)
    shown = host.probe(scoring(graph, "bad"))
    assert shown["scores"]["rejected"] == [0] and len(shown["means"]) == 2


@pytest.fixture(scope="module")
def folder(host):
    """A folder of pictures that differ in size; its files in the order that the host lists."""
    place = host.base / "input" / "of many sizes"
    place.mkdir()
    for name, size in SIZES.items():
        Image.new("RGB", size, (LEVELS[name],) * 3).save(place / name)
    return place.name


def loaded(host, folder):
    """The host's loader of a folder, and the names in its order: that of the disk."""
    graph = {"images": node("LoadImageDataSetFromFolder", folder=folder)}
    listed = host.run(graph | {"all": node("PreviewImage", images=["images", 0])})
    by_level = {level: name for name, level in LEVELS.items()}
    return graph, [by_level[level] for level in levels(saved(host, listed, "all"))]


def test_a_folder_of_images_that_differ_in_size(host, folder):
    graph, names = loaded(host, folder)
    shown = host.run(previewed(scoring(graph | brightness(), keep=3)))
    kept, rejected = saved(host, shown, "kept"), saved(host, shown, "rejected")
    assert levels(kept) == [204, 153, 102] and levels(rejected) == [51]
    assert [image.size for image in kept] == [SIZES[name] for name in ("b.png", "d.png", "a.png")]
    found = scores(host, scored(graph | brightness(), keep=3))
    assert found["scores"] == pytest.approx([LEVELS[name] / 255 - 1 for name in names], abs=1e-5)
    assert [names[i] for i in found["kept"]] == ["b.png", "d.png", "a.png"]


def test_a_folder_is_standardised_as_one_batch(host, folder):
    """-|l - 1| and -|l| are opposite: with weights of 1 and 0.5 the brighter ones win."""
    graph, names = loaded(host, folder)
    graph |= {"bright": loader("brightness", target=1.0), "dark": loader("brightness", target=0.0)}
    graph["reward"] = combine("weighted_sum", "bright", "dark", weight_2=0.5)
    found = scores(host, scored(graph))
    brightest = sorted(names, key=lambda name: -LEVELS[name])
    assert [names[i] for i in found["order"]] == brightest
    assert sum(found["scores"]) == pytest.approx(0.0, abs=1e-5)


def test_each_image_of_a_list_with_its_own_prompt(host):
    """The host's loader of images with captions; a circle of the colour that is counted or not."""
    place = host.base / "input" / "captions"
    place.mkdir()
    for name, caption in (("a", "one red circle"), ("b", "five red circles")):
        Image.new("RGB", (64, 64 if name == "a" else 48), "white").save(place / f"{name}.png")
        (place / f"{name}.txt").write_text(caption)
    graph = {"images": node("LoadImageTextDataSetFromFolder", folder=place.name)}
    graph["reward"] = loader("colour_count")
    found = scores(host, scored(graph, ["images", 1]))
    assert sorted(found["prompt"]) == ["five red circles", "one red circle"]
    by_prompt = dict(zip(found["prompt"], found["scores"], strict=True))
    assert by_prompt["five red circles"] < by_prompt["one red circle"] < 0.0
    assert found["prompt"][found["best"]] == "one red circle"


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"keep": ["seeds", 0]}, "keep takes one value: got a list of 3, expected one."),
        ({"clip_length": 3}, "got 2 images, expected a multiple of clip_length 3."),
        ({"threshold": float("nan")}, "threshold is not finite: got nan, expected a finite"),
    ],
)
def test_refusals_in_one_sentence(host, settings, sentence):
    graph = greys(51, 102) | brightness() | {"seeds": node("ProbeSeeds", first=1, count=3)}
    with pytest.raises(ComfyError) as caught:
        host.run(scoring(graph, **settings))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_the_best_two_of_a_generated_batch(host):
    """Sampler, decoder, Score Images."""
    graph = plain(search(name="best two"))
    graph["latent"]["inputs"]["batch_size"] = 4
    graph["images"] = node("VAEDecode", samples=["search", 0], vae=["loader", 2])
    graph = scored(graph | {"reward": loader("colour_count")}, CAPTION, keep=2)
    found = scores(host, graph)
    assert len(found["scores"]) == 4 and found["kept"] == found["order"][:2]
    kept = host.run(previewed(graph))
    assert len(saved(host, kept, "kept")) == len(saved(host, kept, "rejected")) == 2
