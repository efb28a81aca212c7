"""What the tests of VQAScore over HTTP share."""

import numpy as np
import pytest
import torch
from pack.rewards.question.http import calls as calls

from .asking import SECRET


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(calls, "BACK_OFF", 0.01)


@pytest.fixture(scope="module")
def images():
    """Eight pictures whose scores are in no order."""
    rng = np.random.default_rng(3)
    colours = rng.uniform(0.0, 1.0, (8, 1, 1, 3))
    noise = rng.uniform(-0.1, 0.1, (8, 12, 16, 3))
    return torch.tensor(np.rint((colours + noise).clip(0, 1) * 255) / 255).float()


@pytest.fixture
def slept(monkeypatch):
    """The pauses before further tries, which are not waited for."""
    pauses = []
    monkeypatch.setattr(calls.Calls, "sleep", lambda self, seconds: pauses.append(seconds))
    return pauses


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("FLOW_SEARCH_TEST_KEY", SECRET)
    return "FLOW_SEARCH_TEST_KEY"
