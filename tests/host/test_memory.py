"""The network stays whole when decoders need its memory, and moves no more often than it must."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def told(comfyui):
    """What swapping.py saw, in a process of its own."""
    command = [sys.executable, HERE / "swapping.py", comfyui, HERE.parents[1]]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=comfyui, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_decode_drops_the_patches_and_restore_brings_them_back(told):
    """Without `restore` LoRA and ModelSampling patches are gone, and nothing says so."""
    after_decode, restored = told["mid_sample"]
    assert after_decode > 0.1
    assert restored == 0.0


def test_with_enough_memory_the_network_is_loaded_once(told):
    assert (told["large"]["loads"], told["large"]["unloads"]) == (1, 0)


def test_with_too_little_it_moves_once_a_round(told):
    """The first round scores 12 candidates, in two parts."""
    small = told["small"]
    assert small["rounds"][0] == 12 and sum(small["rounds"]) == 20
    assert small["unloads"] == len(small["rounds"])
    assert small["loads"] == small["unloads"] + 1


def test_memory_does_not_change_the_result(told):
    assert told["small"]["rewards"] == told["large"]["rewards"]


def test_a_taesd_leaves_the_network_where_it_is(told):
    assert (told["small, TAESD"]["loads"], told["small, TAESD"]["unloads"]) == (1, 0)
    assert told["small, TAESD"]["rewards"] == pytest.approx(told["large"]["rewards"], abs=1e-4)


def test_a_watchdog_leaves_the_network_whole(told):
    """It takes the network's place; the next candidates have its patches all the same."""
    assert told["small, watchdog"]["unloads"] > 2
    assert told["small, watchdog"]["rewards"] == told["small, TAESD"]["rewards"]


def test_a_taesd_is_decoded_as_the_host_does(told):
    taesd = told["taesd"]
    assert taesd["differ"] < 1e-5 < 0.01 < taesd["spread"]
    assert taesd["shapes"] == [[3, 128, 128, 3]] * 2
    ours, host = taesd["asked"]
    assert 0 < ours < host / 8
