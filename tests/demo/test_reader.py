"""The likelihood of counts that the fine-tuning climbs."""

import itertools

import torch
from pack.demo.reader import by_colour, count_loss, target_counts


def test_count_loss_is_the_sum_over_all_ways_to_fill_the_cells():
    torch.manual_seed(0)
    chance, count = torch.rand(3, 5, 2), torch.tensor([[0, 2], [5, 1], [3, 4]])
    wanted = torch.zeros(3, 2, dtype=torch.float64)
    for filled in itertools.product((0, 1), repeat=5):
        cells = torch.tensor(filled)[None, :, None]
        ways = torch.where(cells == 1, chance, 1 - chance).double().prod(1)
        wanted += torch.where(count == sum(filled), ways, 0.0)
    loss = count_loss(chance, count, least=0.0)
    torch.testing.assert_close(loss.double(), -wanted.log().sum(1).mean(), rtol=1e-5, atol=0)


def test_a_sure_wrong_count_still_has_a_gradient():
    logits = torch.tensor([20.0, 20.0, -20.0, -25.0]).requires_grad_()
    loss = count_loss(logits.double().sigmoid()[None, :, None], torch.tensor([[3]]), least=1e-40)
    loss.backward()
    assert logits.grad[2] < -0.9 < logits.grad[3] < 0  # the likeliest empty cell is to be filled


def test_counts_asked_and_chances_by_colour():
    kinds = torch.tensor([[[3, 0, 1], [2, 4, 2], [0, 0, 0]]])
    counts = target_counts(kinds)
    assert counts.shape == (1, 18) and counts.sum() == 5
    assert counts[0, 1] == 3 and counts[0, 4 * 3 + 2] == 2
    chance = torch.zeros(1, 16, 19)
    chance[0, 0, 1 + 4 * 3 + 2], chance[0, 0, 1 + 4 * 3], chance[0, 0, 0] = 0.5, 0.25, 0.25
    assert by_colour(chance)[0, 0].tolist() == [0, 0, 0, 0, 0.75, 0]
