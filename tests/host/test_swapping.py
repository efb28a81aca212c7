"""The network stays whole when decoders need its memory, and moves no more often than it must."""

import pytest

RESULT = ("best", "picture")
WEIGHTY = 4 * 4096**2  # bytes of the reward's weights


def test_a_decode_drops_the_patches_and_restore_brings_them_back(swapping):
    """Without `restore` LoRA and ModelSampling patches are gone, and nothing says so."""
    after_decode, restored = swapping["mid_sample"]
    assert after_decode > 0.1
    assert restored == 0.0


def test_room_is_made_for_reference_pictures_too(swapping):
    """As the host reckons when sampling begins, for each network row of a candidate."""
    told = swapping["reckoned"]
    assert told["ours"] == told["host"] == pytest.approx(3 * told["bare"])
    assert told["twice"] == pytest.approx(2 * told["ours"])


def test_a_text_encoder_on_the_cpu_is_not_brought_back(swapping):
    """Asked for it, the host would no longer load the others piece by piece as they are needed."""
    assert swapping["beside"] == [["Flux"], ["Flux", "Linear"]]


def test_patches_are_freed_when_they_are_gone(swapping):
    """In a cycle they would be freed together, which the host takes for a leak: it then collects
    garbage at each load, and lists the model without a patcher."""
    assert all(found == [True, 0] for found in swapping["freed"].values()), swapping["freed"]


def test_with_enough_memory_the_network_is_loaded_once(swapping):
    assert (swapping["large"]["loads"], swapping["large"]["unloads"]) == (1, 0)


def test_with_too_little_it_moves_once_a_round(swapping):
    """The first round scores 8 candidates, in two parts."""
    small = swapping["small"]
    assert small["rounds"][0] == 8 and sum(small["rounds"]) == 20
    assert small["unloads"] == len(small["rounds"])
    assert small["loads"] == small["unloads"] + 1


def test_memory_does_not_change_the_result(swapping):
    for key in ("rewards", *RESULT):
        assert swapping["small"][key] == swapping["large"][key]


def test_running_out_of_memory_at_random_does_not_change_the_result(swapping):
    """Rows of a call may differ by rounding when there are fewer of them."""
    found = swapping["exhausted"]
    assert set(found["raised"]) == {"network", "decoder", "reward"}
    assert sum(found["raised"].values()) > 10
    assert found["rewards"] == pytest.approx(swapping["little"]["rewards"], abs=1e-3)
    assert found["spent"]["nfe"] == swapping["little"]["spent"]["nfe"]
    assert [found[key] for key in RESULT] == [swapping["little"][key] for key in RESULT]


def test_an_allocator_with_little_room_does_not_change_the_result(swapping):
    """What a failed decode had allocated is free when half as many pictures are tried."""
    found = swapping["allocated"]
    assert found["refused"] > 2
    assert found["rewards"] == pytest.approx(swapping["little"]["rewards"], abs=1e-3)
    assert [found[key] for key in RESULT] == [swapping["little"][key] for key in RESULT]


@pytest.mark.parametrize("place", ["network", "decoder", "reward"])
def test_out_of_memory_for_good_ends_the_search_and_saves_the_best(swapping, place):
    found, whole = swapping["lasting"][place], swapping["after lasting"]["rewards"]
    known = len(found["rewards"])
    assert 12 <= known < 20 and found["raised"] > 1
    assert found["rewards"] == pytest.approx(whole[:known], abs=1e-3)
    assert found["best"] == max(found["rewards"])
    sentence, saved = found["said"].split("\n")
    assert sentence == f"CUDA out of memory in the {place}"
    assert found["error"] == f"OutOfMemoryError: {sentence}"
    assert saved.endswith(found["picture"]) and found["picture"].endswith(".png")


def test_two_models_stay_where_they_fit(swapping):
    large = swapping["second"]["large"]
    assert (large["loads"], large["unloads"]) == (2, 0)
    spent = large["spent"]
    assert spent["lookahead"] == 1 and sum(spent["nfe_by_model"].values()) == spent["nfe"]


@pytest.mark.parametrize("memory", ["small", "one at a time"])
def test_two_models_that_do_not_fit_take_turns(swapping, memory):
    large, found = swapping["second"]["large"], swapping["second"][memory]
    assert (
        found["unloads"] >= 2 and found["spent"]["nfe_by_model"] == large["spent"]["nfe_by_model"]
    )
    assert found["rewards"] == pytest.approx(large["rewards"], abs=1e-4)
    assert found["best"] == large["best"]


def test_a_twin_on_the_same_weights_has_its_patches_in_its_turn(swapping):
    """As a turbo LoRA has; the first model has its own patches again when it is called."""
    copy = swapping["second"]["a copy of the twin"]
    for name in ("twin", "twin, small"):
        found = swapping["second"][name]
        assert found["rewards"] == pytest.approx(copy["rewards"], abs=1e-4)
        assert found["best"] == copy["best"]
    assert copy["rewards"] != pytest.approx(swapping["second"]["large"]["rewards"], abs=1e-2)


def test_a_second_model_that_cannot_be_used_is_refused(swapping):
    assert swapping["refused"] == {
        "tied": "This guider cannot take lookahead_model: got Tied, which is tied to its model, "
        "expected a guider of ComfyUI. Disconnect lookahead_model.",
        "elsewhere": "finish_model is on another device: got meta, expected cpu:0, as the guider's "
        "model.",
        "partial": "The conditioning fits one model only: got a ControlNet for a part of the "
        "steps, expected none with lookahead_model. Remove it, or disconnect lookahead_model.",
    }


def test_a_taesd_leaves_the_network_where_it_is(swapping):
    assert (swapping["small, TAESD"]["loads"], swapping["small, TAESD"]["unloads"]) == (1, 0)
    assert swapping["small, TAESD"]["rewards"] == pytest.approx(
        swapping["large"]["rewards"], abs=1e-4
    )


def test_a_watchdog_leaves_the_network_whole(swapping):
    """It takes the network's place; the next candidates have its patches all the same."""
    assert swapping["small, watchdog"]["unloads"] > 2
    assert swapping["small, watchdog"]["rewards"] == swapping["small, TAESD"]["rewards"]


def test_a_rewards_weights_take_turns_with_the_network(swapping):
    """Whole, as what is not of the host's own layers is; its scores do not depend on it."""
    large, small = swapping["weighty"]
    assert large["known"]  # to the host as a model that the prompt uses
    assert (large["loads"], large["unloads"]) == (1, 0)
    assert small["unloads"] == len(small["rounds"])
    assert large["rewards"] == small["rewards"] and len(set(large["rewards"])) > 10
    assert large["loaded"] == small["loaded"] == [WEIGHTY]


@pytest.mark.parametrize(
    ("state", "loaded"), [("NORMAL_VRAM", WEIGHTY), ("LOW_VRAM", WEIGHTY), ("NO_VRAM", 0)]
)
def test_a_rewards_weights_are_loaded_whole_though_they_do_not_fit(swapping, state, loaded):
    """Half of them on the CPU would not meet the others; with --novram all stay there."""
    found = swapping["weighty, too little"][state]
    assert found["loaded"] == [loaded]
    assert found["rewards"] == swapping["weighty"][0]["rewards"]


def test_layers_of_a_reward_that_do_not_fit_stay_in_ram(swapping):
    found, large = swapping["streamed"], 1 << 20
    scores = {name: entry["scores"] for name, entry in found.items()}
    loaded = {name: entry["loaded"] / (1 << 20) for name, entry in found.items()}
    assert all(first == second for first, second in scores.values())
    assert scores[f"whole {large}"] == scores["whole 12"] == scores["parts 12"]
    assert scores["eight_bits 12"] == scores[f"eight_bits {large}"] != scores["parts 12"]
    assert scores["eight_bits 12"][0] == pytest.approx(scores["parts 12"][0], abs=0.1)
    assert 32 < loaded["whole 12"] < 33 and loaded[f"parts {large}"] == loaded["whole 12"]
    assert 0 < loaded["parts 12"] < 13 and 8 < loaded[f"eight_bits {large}"] < 9


def test_a_taesd_is_decoded_as_the_host_does(swapping):
    taesd = swapping["taesd"]
    assert taesd["differ"] < 1e-5 < 0.01 < taesd["spread"]
    assert taesd["shapes"] == [[3, 128, 128, 3]] * 2
    ours, host = taesd["asked"]
    assert 0 < ours < host / 8
