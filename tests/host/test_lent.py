"""Searches, and the gradients in them, by weights that have their place for one call only."""

import math

import pytest

from .helpers.scripts import run_script


@pytest.fixture(scope="module")
def lent(comfyui) -> dict:
    """What scripts/lent.py reports."""
    return run_script("lent.py", comfyui, timeout=900)


@pytest.fixture(scope="module")
def dynamic(lent):
    if "dynamic" not in lent:
        pytest.skip("this ComfyUI's dynamic VRAM is not the one that is simulated")
    return lent["dynamic"]


def test_guidance_moves_the_search(lent):
    """Else the gradients below would tell nothing."""
    own = lent["own"]
    assert own["none"] != own["dps"] != own["x0"]
    assert all(math.isfinite(worth) for kind in own.values() for worth in kind)


@pytest.mark.parametrize("guidance", ["none", "dps", "x0"])
def test_weights_that_take_turns_in_a_buffer(lent, guidance):
    """--novram with two streams: a weight is overwritten before the way back needs it."""
    assert lent["in turn"]["buffers"] == 2
    assert lent["in turn"][guidance] == pytest.approx(lent["own"][guidance], abs=1e-6)


@pytest.mark.parametrize("pages", ["whole", "taken"])
@pytest.mark.parametrize("guidance", ["none", "dps", "x0"])
def test_dynamic_models(lent, dynamic, pages, guidance):
    """Pages that are `taken` after each call, as when the card is full."""
    assert dynamic["classes"] == ["ModelPatcherDynamic", "ModelPatcherDynamic"]
    assert dynamic[pages][guidance] == pytest.approx(lent["own"][guidance], abs=1e-6)
    assert dynamic["lent"] == 0


def test_half_of_the_weights_do_not_fit(lent, dynamic):
    """They come to memory of torch's for a call, and the gradient to both."""
    assert dynamic["refusals"] > 200
    assert dynamic["refused"] == pytest.approx(lent["own"]["dps"], abs=1e-6)


@pytest.mark.parametrize("decoder", ["full", "plain decoder"])
def test_a_decode_leaves_a_dynamic_network_whole(lent, dynamic, decoder):
    assert dynamic[decoder] == pytest.approx(lent["own full"], abs=1e-6)


def test_running_out_of_memory_by_dynamic_models(lent, dynamic):
    assert set(dynamic["raised"]) == {"network", "decoder", "reward"}
    assert dynamic["exhausted"] == pytest.approx(lent["own counts"], abs=1e-3)


def test_a_hook_on_a_dynamic_model(lent, dynamic):
    """The host takes another one, loaded from the same file, for this guider."""
    assert dynamic["hooked"] == pytest.approx(dynamic["own hooked"], abs=1e-6)
    assert dynamic["hooked"] != pytest.approx(lent["own counts"], abs=1e-1)


def test_a_dynamic_reward_is_brought_to_the_device_once_a_search(dynamic):
    """The network is prepared once a round, which the host tells only the first time."""
    weighed = dynamic["weighed"]
    assert weighed["copies"][:2] == [1, 1] and weighed["rewards"][0] == weighed["rewards"][1]
    assert weighed["lines"] < 8 < weighed["loads"]


def test_a_dynamic_reward_that_is_evicted_comes_back_each_round(dynamic):
    weighed = dynamic["weighed"]
    assert weighed["copies"][2] >= weighed["rounds"] > 5
    assert weighed["rewards"][2] == pytest.approx(weighed["rewards"][0], abs=1e-6)
