"""Step caches are seen by the blocks that do not run, also where a pack has nested the blocks."""

import pytest
import torch
from torch.nn import Linear, Module, ModuleList, Sequential


class Network(Module):
    """Equal blocks in a list; a call runs the first `runs` of them."""

    def __init__(self, count, nested=False):
        super().__init__()
        blocks = ModuleList(Sequential(Linear(4, 8), Linear(8, 4)) for _ in range(count))
        self.all_blocks = list(blocks)
        self.blocks = ModuleList([self.in_one(blocks)]) if nested else blocks

    def in_one(self, blocks):
        """As First Block Cache does: a single entry that holds the blocks."""
        one = Module()
        one.transformer_blocks = blocks
        return one

    def forward(self, x, runs):
        for block in self.all_blocks[:runs]:
            x = block(x)
        return x


@pytest.mark.parametrize("nested", [False, True])
def test_blocks_that_do_not_run_are_seen(parts, nested):
    network, watch, x = Network(7, nested), parts.caches.BlockWatch(), torch.zeros(1, 4)
    for runs in (7, 4):  # skipped layers of guidance are no cache
        with watch(network):
            network(x, runs)
    with pytest.raises(parts.caches.StepCache, match="got a call that ran 1 of 7 blocks, expected"):
        with watch(network):
            network(x, 1)


def test_a_single_block_is_one_block(parts):
    layers = list(parts.caches.block_layers(Network(1)))
    assert [layer.weight.shape for layer in layers] == [(8, 4)]


def test_a_network_without_blocks_is_never_refused(parts):
    watch, network = parts.caches.BlockWatch(), Linear(4, 4)
    for _ in range(2):
        with watch(network):
            pass
