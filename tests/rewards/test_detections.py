import pytest
import torch
from pack.rewards.count.detections import Rule, intersections

from .counting import naive_counts

RULE = Rule(floor=0.2, sure=0.32, share=0.6, overlap=0.6, softness=0.05)
LEFT, MIDDLE, RIGHT = (0.15, 0.5, 0.2, 0.3), (0.5, 0.5, 0.2, 0.3), (0.85, 0.5, 0.2, 0.3)


def count(scores, boxes, rule=RULE):
    whole, soft = rule.count(torch.tensor(scores), torch.tensor(boxes))
    return whole.tolist(), soft.tolist()


def crowd(seed, n=60, classes=3):
    """Random queries, many of them upon each other and some around a group of others."""
    gen = torch.Generator().manual_seed(seed)
    centres, sizes = torch.rand(n, 2, generator=gen), torch.rand(n, 2, generator=gen) * 0.2 + 0.1
    boxes = torch.cat([centres, sizes], 1)
    boxes[n // 2 :] = boxes[: n - n // 2] + 0.02 * torch.randn(n - n // 2, 4, generator=gen)
    around = torch.tensor([0.12, 0.0, 0.0, 0.0])
    boxes[:4] = boxes[4:8] + around
    boxes[8:12] = torch.cat([boxes[4:8, :2] + around[:2] / 2, boxes[4:8, 2:] + around[:2]], 1)
    scores = torch.rand(n, classes, generator=gen) ** 2
    scores[:12, 0] += 1.0
    return scores.clamp(max=0.999), boxes.clamp(min=0.01)


@pytest.mark.parametrize("seed", range(12))
def test_counts_equal_plain_loops(seed):
    scores, boxes = crowd(seed)
    whole, soft = RULE.count(scores, boxes)
    wanted = naive_counts(scores.tolist(), boxes.tolist(), RULE)
    assert whole.tolist() == [counts[0] for counts in wanted]
    torch.testing.assert_close(soft, torch.tensor([counts[1] for counts in wanted]))
    ungrouped = naive_counts(scores.tolist(), boxes.tolist(), Rule(0.2, 0.32, 0.6, 1.0, 0.05))
    assert ungrouped != wanted


def test_distinct_boxes_equal_torchvision():
    ops = pytest.importorskip("torchvision.ops")
    gen = torch.Generator().manual_seed(3)
    centres = torch.rand(200, 2, generator=gen)
    boxes = torch.cat([centres, torch.full((200, 2), 0.2)], 1)  # of one size: none is a group
    scores = torch.rand(200, 2, generator=gen) * 0.6 + 0.35
    whole, _ = RULE.count(scores, boxes)
    best, label = scores.max(1)
    corners = ops.box_convert(boxes, "cxcywh", "xyxy")
    kept = label[ops.batched_nms(corners, best, label, 0.6)]
    assert whole.tolist() == kept.bincount(minlength=2).tolist() and 20 < len(kept) < 190
    shared, area = intersections(boxes)
    union = area[:, None] + area - shared
    torch.testing.assert_close(shared / union, ops.box_iou(corners, corners))


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        ((0.9, 0.33, 0.31), 2),  # 0.6 of 0.9 is above sure: sure decides
        ((0.4, 0.25, 0.23), 2),  # 0.6 of 0.4
        ((0.25, 0.21, 0.19), 2),  # 0.6 of 0.25 is below floor: floor decides
        ((0.19, 0.18, 0.17), 0),
        ((0.5, 0.5, 0.5), 3),
    ],
)
def test_thresholds(scores, found):
    whole, _ = count([(score, 0.0) for score in scores], [LEFT, MIDDLE, RIGHT])
    assert whole == [found, 0]


def test_each_class_has_its_own_best_and_its_own_boxes():
    # The second thing lies upon the first, but is of another class, with a lower best.
    whole, _ = count(
        [(0.9, 0.1), (0.1, 0.3), (0.28, 0.1), (0.1, 0.2001)], [LEFT, LEFT, RIGHT, RIGHT]
    )
    assert whole == [1, 2]
    # The same again, all of the first class.
    assert count([(0.9, 0.1), (0.8, 0.1)], [LEFT, LEFT])[0] == [1, 0]


def test_the_box_of_a_group_is_not_a_thing():
    herd = (0.5, 0.5, 0.9, 0.32)
    things = [(0.5,), (0.5,), (0.5,)]
    boxes = [LEFT, MIDDLE, RIGHT]
    assert count([*things, (0.9,)], [*boxes, herd])[0] == [3]
    assert count([(0.5,), (0.9,)], [MIDDLE, herd])[0] == [2]  # one thing before another
    assert count([(0.9,), (0.3,), (0.25,), (0.24,)], [herd, *boxes])[0] == [1]  # parts unlikely
    small = [(x, y, w / 2, h / 2) for x, y, w, h in boxes]
    assert count([*things, (0.9,)], [*small, herd])[0] == [4]  # they make up too little of it


def test_clear_things_count_the_same_softly():
    whole, soft = count([(0.95, 0.0), (0.9, 0.0), (0.0, 0.85)], [LEFT, RIGHT, MIDDLE])
    assert whole == [2, 1] and soft == pytest.approx([2.0, 1.0], abs=1e-3)


def test_queries_on_nothing_do_not_add_up():
    boxes = torch.rand(900, 4, generator=torch.Generator().manual_seed(0)) * 0.1
    scores = torch.full((900, 2), 0.03)
    scores[:, 0] += 0.04
    whole, soft = RULE.count(scores, boxes)
    assert whole.sum() == 0 and soft.sum() == 0
    assert torch.sigmoid((scores[:, 0] - 0.2) / 0.05).sum() > 50


def test_soft_counts_rise_with_scores_but_not_through_doubles():
    scores = torch.tensor([[0.30], [0.28], [0.25]], requires_grad=True)
    _, soft = RULE.count(scores, torch.tensor([LEFT, LEFT, RIGHT]))
    soft.sum().backward()
    grad = scores.grad[:, 0]
    assert grad[0] > 0 and grad[1] == 0 and grad[2] > 0


def test_scores_that_are_no_numbers_show():
    _, soft = count([(0.9, 0.1), (float("nan"), 0.1)], [LEFT, RIGHT])
    assert all(value != value for value in soft)
