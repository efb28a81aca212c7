"""The demo model's world, shared by the tests of the benchmarks."""

import pytest
import torch
from pack.benchmarks.world import World


@pytest.fixture(scope="module")
def world():
    before, threads = torch.is_grad_enabled(), torch.get_num_threads()
    yield World("fast")
    torch.set_grad_enabled(before)
    torch.set_num_threads(threads)
