"""What every counting reward does, over a detector whose findings are made up."""

import logging
import math
from dataclasses import dataclass, field, replace

import pytest
import torch
from pack.rewards.count import object_counting
from pack.rewards.count.object_counting import CountScorer, CountSettings

from .counting import naive_counts

PROMPT = "three dogs and a cat"
PLACES = torch.tensor([[0.1 + 0.2 * i, 0.5, 0.1, 0.3] for i in range(5)])


@dataclass
class MadeUp:
    """Five boxes in a row; the score of box i for class c is pixel (c, i) of the picture, red."""

    rows: int = 2
    padded: bool = False
    module: torch.nn.Module = field(default_factory=lambda: torch.nn.Linear(1, 1))
    seen: list = field(default_factory=list)

    def check(self, labels):
        if len(labels) > 3:
            raise ValueError("too many")

    def find(self, images, labels):
        self.seen.append((len(images), list(labels)))
        assert images.dtype == torch.float32
        return images[:, : len(labels), :, 0].transpose(1, 2), PLACES.expand(len(images), -1, -1)


def scorer(**settings):
    settings = CountSettings(**settings)
    return CountScorer(MadeUp(), settings, settings.rule())


def picture(*rows):
    """A picture of dogs and cats, rows of five scores."""
    image = torch.zeros(3, 5, 3)
    for c, row in enumerate(rows):
        image[c, : len(row), 0] = torch.tensor(row)
    return image


RIGHT = picture((0.9, 0.8, 0.9), (0.0, 0.0, 0.0, 0.7))
FEWER = picture((0.9, 0.8), (0.0, 0.0, 0.0, 0.7))
MORE = picture((0.9, 0.8, 0.9, 0.0, 0.9), (0.0, 0.0, 0.0, 0.7))
WORSE = picture((0.9,), ())
UNSURE = picture((0.9, 0.8, 0.35), (0.0, 0.0, 0.0, 0.7))
ALL = torch.stack([RIGHT, FEWER, MORE, WORSE, UNSURE])


def test_sum_of_squared_errors():
    scores = scorer(tie_break=0.0).score(ALL, [PROMPT] * 5)
    assert scores.tolist() == [0.0, -1.0, -1.0, -5.0, 0.0]
    assert scores.dtype == torch.float32 and not torch.signbit(scores[0])
    swapped = scorer(tie_break=0.0).score(ALL, ["a dog and three cats"] * 5)
    assert swapped.tolist() == [-8.0, -5.0, -13.0, -9.0, -8.0]


def test_tie_break_ranks_equal_counts_only():
    plain, ranked = (scorer(tie_break=tie).score(ALL, [PROMPT] * 5) for tie in (0.0, 0.49))
    assert torch.equal(-torch.floor(-ranked), plain)
    assert ranked[0] > ranked[4] > ranked[1]
    soft = naive_counts(UNSURE[:2, :, 0].T.tolist(), PLACES.tolist(), scorer().rule)
    error = (3 - soft[0][1]) ** 2 + (1 - soft[1][1]) ** 2
    assert ranked[4].item() == pytest.approx(-0.49 * error / (1 + error), rel=1e-4)
    assert error > 0.1


def test_bounded_and_soft():
    rss, bounded, soft = (
        scorer(score=kind, scale=4.0).score(ALL, [PROMPT] * 5)
        for kind in ("rss", "bounded", "soft")
    )
    torch.testing.assert_close(bounded, torch.exp(rss / 4.0))
    found = naive_counts(WORSE[:2, :, 0].T.tolist(), PLACES.tolist(), scorer().rule)
    assert soft[3].item() == pytest.approx(-((3 - found[0][1]) ** 2) - (1 - found[1][1]) ** 2)
    assert soft[0] > soft[4] > soft[1] and (soft <= 0).all()


def test_scores_do_not_depend_on_the_batch():
    prompts = [PROMPT, "two cats", PROMPT, "two cats and 4 dogs", PROMPT]
    counter = scorer()
    together = counter.score(ALL, prompts)
    assert counter.detector.seen == [
        (2, ["dog", "cat"]), (1, ["dog", "cat"]), (1, ["cat"]), (1, ["cat", "dog"])
    ]  # fmt: skip
    alone = [counter.score(ALL[i : i + 1], prompts[i : i + 1]) for i in range(5)]
    assert torch.equal(together, torch.cat(alone)) and together.unique().numel() == 5
    assert counter.score(ALL[:0], []).shape == (0,)


def test_nan_stays_with_its_picture():
    images = ALL.clone()
    images[1, 2, 4, 2] = float("nan")
    images[3, 0, 0, 0] = float("inf")
    scores = scorer().score(images, [PROMPT] * 5)
    assert scores.isnan().tolist() == [False, True, False, True, False]
    others = scorer().score(ALL, [PROMPT] * 5)
    assert torch.equal(scores[[0, 2, 4]], others[[0, 2, 4]])


@pytest.mark.parametrize("kind", ["rss", "bounded", "soft"])
def test_gradient_leads_to_the_counts_asked(kind):
    images = torch.stack([UNSURE, MORE]).requires_grad_()
    scorer(score=kind).score(images, [PROMPT] * 2).sum().backward()
    grad = images.grad[..., 0]
    assert torch.isfinite(grad).all()
    assert grad[0, 0, 2] > 0  # the third dog clearer
    assert grad[1, 0, 4] < 0  # the fourth one fainter


def test_counts_given_replace_the_prompt():
    given = scorer(counts="cats: 1, dogs: 3", tie_break=0.0)
    given.check("a landscape")
    swapped = ALL[:, [1, 0, 2]]
    assert given.score(swapped, ["a landscape"] * 5).tolist() == [0.0, -1.0, -1.0, -5.0, 0.0]


def test_a_prompt_is_read_once_and_not_for_each_picture(monkeypatch):
    """Field 32."""
    read = []
    monkeypatch.setattr(
        object_counting, "object_counts", lambda text: read.append(text) or {"dog": 1}
    )
    counter = scorer()
    counter.check(PROMPT)
    for _ in range(3):
        counter.score(ALL, [PROMPT] * 5)
    assert read == [PROMPT]


def test_check(caplog):
    counter = scorer()
    with caplog.at_level(logging.INFO, logger="flow_search"):
        counter.check(PROMPT)
    assert "counting dog: 3, cat: 1" in caplog.text
    with pytest.raises(ValueError, match="Cannot read counts"):
        counter.check("a landscape")
    with pytest.raises(ValueError, match="Cannot read counts"):
        scorer(counts="lots").check(PROMPT)
    with pytest.raises(ValueError, match="too many"):
        counter.check("a dog, a cat, a cow, a goat")


def test_thresholds_in_order():
    with pytest.raises(ValueError, match="`floor` is above `sure`: got 0.5, expected at most 0.32"):
        replace(CountSettings(), floor=0.5).rule()
    assert math.isclose(replace(CountSettings(), floor=0.32).rule().floor, 0.32)
