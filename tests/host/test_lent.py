"""Searches, and the gradients in them, by weights that have their place for one call only."""

import json
import math
import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.fixture(scope="module")
def lent(comfyui) -> dict:
    """What lent.py saw, in a process of its own."""
    command = [sys.executable, ROOT / "tests" / "host" / "lent.py", comfyui, ROOT]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=comfyui, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


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
