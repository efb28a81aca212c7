"""Decoding in tiles, a clip in a few frames at a time, where memory has no room for more; and that
every decode is counted (Field 8)."""

import pytest
from pack.tools.probing.graphs import node
from pack.tools.probing.runs import Runs, assert_counted

from .helpers.standins import autoencoder, put

SIDE, FRAMES, SHARED = 16, 4, 2  # latent pixels and frames of a tile, and those two tiles share


def search(host, runs, whole, empty, area):
    """Of two candidates, by a decoder that has room for one tile: what it was asked, and how far
    the pictures are from those decoded at once."""
    runs.vae = runs.node("ProbeShortVAE", vae=whole, frames=FRAMES, area=area, name=runs.mark)
    runs.latent, runs.sigmas = empty, runs.schedule(1)
    out = runs.run("search", budget=2, init_particles=2, reward=runs.bright)
    decoded = runs.node("VAEDecode", samples=out, vae=whole)
    runs.graph["decoded"] = node("ProbeDecoded", images=[out[0], 1], whole=decoded, name=runs.mark)
    shown = runs.show(host)
    assert_counted(shown["search"], 2)
    return shown["decoded"], shown["search"]["report"]


def test_a_clip_in_a_few_frames_at_a_time(host):
    """The host's own tiles are as long as the clip."""
    host.run({"files": node("ProbeTinyExtras")})
    runs = Runs("Wan 2.1 T2V")
    whole = runs.node("VAELoader", vae_name="clip.safetensors")
    size = {"width": 144, "height": 16, "length": 17}
    empty = runs.node("EmptyHunyuanLatentVideo", **size, batch_size=1)
    found, report = search(host, runs, whole, empty, area=2 * SIDE)
    assert found["shape"] == found["whole"] == [17, 16, 144, 3]
    refused = [call for call in found["asked"] if not call["fits"]]
    assert {(call["frames"], call["width"]) for call in refused} == {(5, 18)}
    fit = [call for call in found["asked"] if call["fits"]]
    parts = -(-(5 - SHARED) // (FRAMES - SHARED)) * 2  # of the frames, of the width
    assert len(fit) == parts * report["spent"]["decodes"]
    assert max(call["frames"] for call in fit) == FRAMES
    assert max(call["width"] for call in fit) == SIDE
    assert max(found["off"]) < 0.4 * found["spread"]
    assert report["spent"]["frames"] == 17 * report["spent"]["decodes"]


def test_a_picture_in_tiles(host):
    """Smaller than the host's own."""
    runs = Runs("FLUX.1 dev")
    whole = [runs.node("FlowSearchDemoLoader", checkpoint="fast")[0], 2]
    empty = runs.node("EmptySD3LatentImage", width=288, height=32, batch_size=1)
    found, report = search(host, runs, whole, empty, area=4 * 2 * SIDE)  # the host has tiles of 2:1
    assert found["shape"] == found["whole"] == [1, 32, 288, 3]
    refused = [call for call in found["asked"] if not call["fits"]]
    assert {call["width"] for call in refused} == {36}
    assert any(call["fits"] for call in found["asked"])
    assert max(found["off"]) < 0.1 * found["spread"]
    first, second = (row["reward"] for row in report["trace"])
    assert first != second


def counted(host, runs, whole, budget=6, **sampler):
    """What a search reports as spent, and what its decoder counted."""
    runs.vae = runs.node("ProbeCountingVAE", vae=whole, name=runs.mark)
    runs.sigmas = runs.schedule(2)
    runs.graph[runs.sampler[0]]["inputs"] |= sampler
    out = runs.run("search", budget=budget, init_particles=2, finish_steps=1, reward=runs.bright)
    runs.graph["decoded"] = node(
        "ProbeDecoded", images=[out[0], 1], whole=[out[0], 1], name=runs.mark
    )
    shown = runs.show(host)
    return shown["search"]["report"]["spent"], shown["decoded"]["asked"]


@pytest.mark.parametrize("kind", ["none", "x0", "dps"])
def test_decodes_are_those_that_the_decoder_counts(host, kind):
    """Each gradient decodes twice: for the reward's own gradient, and on the way back."""
    runs = Runs("FLUX.1 dev")
    whole = [runs.node("FlowSearchDemoLoader", checkpoint="fast")[0], 2]
    spent, asked = counted(host, runs, whole, guidance=kind)
    assert asked == {name: spent[name] for name in ("decodes", "frames")}
    assert spent["gradients"] == (0 if kind == "none" else 1)
    assert spent["decodes"] == spent["rewards"] + 2 * spent["gradients"]


def test_decodes_of_a_guided_clip_count_its_frames(host):
    host.run({"files": node("ProbeTinyExtras")})
    runs = Runs("Wan 2.1 T2V")
    whole = runs.node("VAELoader", vae_name="clip.safetensors")
    spent, asked = counted(host, runs, whole, guidance="x0")
    assert asked == {name: spent[name] for name in ("decodes", "frames")}
    assert spent["gradients"] == 1 and spent["frames"] > spent["decodes"] > spent["rewards"]


def test_the_demo_decodes_as_the_whole_network_of_its_file(host):
    """Its decoder lacks only channels that are zero."""
    put(host, "vae", "whole.safetensors", autoencoder(host))
    runs = Runs("FLUX.1 dev")
    made, whole = runs.run("plain"), runs.node("VAELoader", vae_name="whole.safetensors")
    demo = runs.node(
        "ProbeCountingVAE",
        vae=[runs.node("FlowSearchDemoLoader", checkpoint="fast")[0], 2],
        name=runs.mark,
    )
    images = {
        name: runs.node("VAEDecode", samples=made, vae=vae)
        for name, vae in {"images": demo, "whole": whole}.items()
    }
    runs.graph["decoded"] = node("ProbeDecoded", **images, name=runs.mark)
    shown = runs.show(host)["decoded"]
    assert shown["asked"]["decodes"] == 1 and shown["spread"] > 0.01
    assert max(shown["off"]) < 1e-6
