"""Field 17: pictures with alpha or of one channel, in Score Images and from a decoder."""

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, search

from .helpers.reward_graphs import brightness, greys, scoring

OVER_WHITE = {1: (0.2, 0.8), 2: (0.6, 0.9), 3: (0.2, 0.8), 4: (0.6, 0.9)}  # of 0.2 and 0.8


def through(count, graph):
    graph["other"] = node("ProbeChannels", images=["images", 0], count=count)
    return scoring(graph, "other")


@pytest.mark.parametrize("count", OVER_WHITE)
def test_score_images_of_other_channels(host, count):
    shown = host.probe(through(count, greys(51, 204) | brightness()))
    wanted = [level - 1.0 for level in OVER_WHITE[count]]
    assert shown["scores"]["scores"] == pytest.approx(wanted, abs=1e-5)
    assert shown["scores"]["order"] == [1, 0]
    if count == 4:  # the output keeps what was given: its mean has the alpha in it
        assert shown["means"] == pytest.approx([(3 * 0.8 + 0.5) / 4, (3 * 0.2 + 0.5) / 4])
        log = host.log.read_text("utf-8")
        assert log.count("Score Images: the images have alpha: it is shown over white.") == 1


@pytest.mark.parametrize("count", [5, 6])
def test_other_channels_are_refused(host, count):
    with pytest.raises(ComfyError, match=f"channels: got {count}, expected 3 ") as error:
        host.run(through(count, greys(51) | brightness()))
    assert "\n" not in str(error.value)


def searched(host, count, **inputs):
    graph = search(name=f"channels {count}", budget=8, steps=3, init_particles=2, **inputs)
    graph["vae"] = node("ProbeChannelVAE", vae=["loader", 2], count=count)
    graph["search"]["inputs"]["vae"] = ["vae", 0]
    graph |= brightness()
    return host.probe(graph)


def test_a_search_with_a_decoder_of_other_channels(host):
    """Its images are the three channels that the reward saw."""
    with host.new_log() as log:
        found = {count: searched(host, count) for count in (1, 2, 3, 4)}
    for shown in found.values():
        assert shown["images"] == [1, 64, 64, 3]
    rewards = {n: [row["reward"] for row in shown["report"]["trace"]] for n, shown in found.items()}
    half = [reward / 2 for reward in rewards[3]]  # -|1 - (b / 2 + 1 / 2)|
    assert rewards[4] == pytest.approx(half, abs=1e-4) and len(set(half)) > 1
    assert any("The decoder's images have alpha: it is shown over white." in s for s in log)
    for count in (1, 2):
        assert len(rewards[count]) == len(rewards[3])


def test_a_decoder_of_too_many_channels(host):
    with pytest.raises(ComfyError, match="channels: got 6, expected 3 "):
        searched(host, 6)
