"""Clips scored by rewards of pictures: frames, pooling, combinations, and what they refuse."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
import torch
from pack.rewards import (
    MODES,
    REWARDS,
    CombinedScorer,
    Scorer,
    fresh,
    reads_clips,
    score_any,
    score_groups,
)
from pack.rewards.clips.frames import evenly_spaced
from pack.rewards.combine.statistics import WARMUP

NAN = float("nan")


@dataclass(frozen=True)
class Red:
    """A reward of pictures for tests: the red of the first pixel, plus the prompt as a number."""

    module: ClassVar[None] = None
    seen: list = field(default_factory=list)

    def check(self, prompt):
        if not prompt:
            raise ValueError("no prompt")

    def score(self, images, prompts):
        assert images.ndim == 4 and len(prompts) == len(images)
        self.seen.append(tuple(images.shape))
        return images[:, 0, 0, 0] + torch.tensor([float(prompt) for prompt in prompts])


@dataclass(frozen=True)
class Length:
    """A reward of clips for tests: a tenth of how many frames there are."""

    module: ClassVar[None] = None
    clips: ClassVar[bool] = True

    def check(self, prompt):
        pass

    def score(self, images, prompts):
        length = images.shape[1] if images.ndim == 5 else 1
        return torch.full((len(images),), length / 10)


def clips(*rows):
    """Rows of the red of each frame -> clips (B, T, 4, 5, 3)."""
    return torch.tensor(rows, dtype=torch.float32)[:, :, None, None, None].expand(-1, -1, 4, 5, 3)


def video(reward=None, **settings):
    return REWARDS["video"](frame_reward=reward or Red(), **settings).load()


def score(scorer, images, prompt="0"):
    return scorer.score(images, [prompt] * len(images)).tolist()


def frames_of(length, count):
    line = torch.arange(length).float()[None, :, None, None, None].expand(1, -1, 1, 1, 3)
    return evenly_spaced(line, count)[0, :, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("length", "count", "frames"),
    [
        (81, 5, [0, 20, 40, 60, 80]),
        (10, 4, [0, 3, 6, 9]),
        (8, 3, [0, 4, 7]),
        (9, 2, [0, 8]),
        (9, 1, [4]),
        (2, 1, [1]),
        (1, 1, [0]),
        (3, 0, [0, 1, 2]),
        (3, 3, [0, 1, 2]),
        (3, 8, [0, 1, 2]),
        (1, 8, [0]),
    ],
)
def test_frames_are_evenly_spaced(length, count, frames):
    assert frames_of(length, count) == frames


def test_as_many_frames_as_asked_for_and_none_twice():
    for length in range(1, 60):
        for count in range(1, 60):
            own = frames_of(length, count)
            assert len(own) == min(length, count) and own == sorted(set(own))
            if count > 1:
                assert (own[0], own[-1]) == (0, length - 1)
                gaps = np.diff(own)
                assert not len(gaps) or gaps.max() - gaps.min() <= 1


ROWS = ([0.1, 0.5, 0.3, 0.9], [0.8, 0.8, 0.8, 0.8], [1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("pooling", "reference"),
    [
        ("mean", np.mean),
        ("minimum", np.min),
        ("steady", lambda row: np.mean(row) - 0.7 * np.std(row)),
    ],
)
@pytest.mark.parametrize("frames", [0, 2, 3])
def test_formulas(pooling, reference, frames):
    scorer = video(pooling=pooling, frames=frames, spread_weight=0.7)
    shown = [[row[i] for i in {0: range(4), 2: (0, 3), 3: (0, 2, 3)}[frames]] for row in ROWS]
    wanted = [float(reference(row)) for row in shown]
    assert score(scorer, clips(*ROWS)) == pytest.approx(wanted, abs=1e-6)
    # A steady clip is better than one that flickers about the same mean.
    if pooling != "mean" and not frames:
        steady, flickers = score(scorer, clips([0.5] * 4, [0.2, 0.8, 0.2, 0.8]))
        assert steady > flickers + 0.1


def test_it_is_a_scorer_that_reads_clips():
    scorer = video()
    assert isinstance(scorer, Scorer) and reads_clips(scorer) and scorer.module is None
    assert not reads_clips(Red()) and not reads_clips(REWARDS["brightness"]().load())
    with pytest.raises(ValueError, match="no prompt"):
        scorer.check("")
    scorer.check("1")


def test_only_the_frames_asked_for_are_scored_each_under_its_own_prompt():
    inner = Red()
    found = video(inner, frames=3).score(clips(*ROWS), ["0", "10", "20"])
    assert inner.seen == [(9, 4, 5, 3)]
    wanted = [np.mean([row[0], row[2], row[3]]) + 10 * i for i, row in enumerate(ROWS)]
    assert found.tolist() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "minimum", "steady"])
def test_a_picture_is_a_clip_of_one_frame(pooling):
    scorer = video(pooling=pooling)
    pictures = clips(*ROWS)[:, 0]
    assert score(scorer, pictures) == Red().score(pictures, ["0"] * 3).tolist()
    assert score(scorer, pictures[:, None]) == score(scorer, pictures)


@pytest.mark.parametrize("name", ["brightness", "sharpness", "colour_count"])
@pytest.mark.parametrize("pooling", ["mean", "minimum", "steady"])
def test_a_batch_equals_one_by_one(name, pooling):
    scorer = video(REWARDS[name]().load(), pooling=pooling, frames=3)
    images = torch.rand(3, 7, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    prompts = ["two red circles"] * 3
    together = scorer.score(images, prompts)
    assert together.shape == (3,) and together.dtype == torch.float32
    alone = torch.cat([scorer.score(images[i : i + 1], prompts[:1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert scorer.score(images[:0], []).shape == (0,)


@pytest.mark.parametrize("pooling", ["mean", "minimum", "steady"])
@pytest.mark.parametrize("frame", [0, 1])
def test_nan_shows_even_in_a_frame_left_out(pooling, frame):
    images = clips(*ROWS).clone()
    images[1, frame, 2, 2, 1] = NAN
    found = video(pooling=pooling, frames=2).score(images, ["0"] * 3)
    assert found.isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("pooling", ["mean", "minimum", "steady"])
def test_a_frame_that_cannot_be_scored_fails_its_clip(pooling):
    class Fails(Red):
        def score(self, images, prompts):
            return super().score(images, prompts).masked_fill(images[:, 0, 0, 0] > 0.85, NAN)

    assert np.isnan(score(video(Fails(), pooling=pooling), clips(*ROWS))).tolist() == [1, 0, 1]


@pytest.mark.parametrize("pooling", ["mean", "minimum", "steady"])
def test_gradient_reaches_the_frames(pooling):
    scorer = video(REWARDS["sharpness"]().load(), pooling=pooling, frames=3)
    images = torch.rand(2, 5, 8, 8, 3, generator=torch.Generator().manual_seed(1))
    images[1] = 0.5  # all frames the same, where a standard deviation has no derivative
    images.requires_grad_()
    scorer.score(images, ["", ""]).sum().backward()
    assert images.grad.isfinite().all()
    moved = images.grad[0].flatten(1).abs().sum(1) > 0
    assert moved.tolist() == [True, False, True, False, True] or pooling == "minimum"
    assert moved.any() and not moved[1] and not moved[3]


def test_wrong_shapes():
    scorer = video()
    for shape, message in [
        ((8, 8, 3), r"\(8, 8, 3\).*expected"),
        ((1, 0, 8, 8, 3), r"got shape \(1, 0, 8, 8, 3\), expected at least one frame"),
        ((1, 2, 8, 8, 4), r"\(1, 8, 8, 4\).*expected"),
    ]:
        with pytest.raises(ValueError, match=message):
            scorer.score(torch.zeros(shape), ["0"] * shape[0])
    with pytest.raises(ValueError, match="1 prompts for 2 images"):
        scorer.score(torch.zeros(2, 3, 8, 8, 3), ["0"])


def test_what_it_cannot_score_frames_with():
    with pytest.raises(ValueError, match="`frame_reward` is not connected: .*expected a reward"):
        REWARDS["video"]().load()
    for whole in (video(), Length(), CombinedScorer(MODES["minimum"](), {1: Red(), 2: Length()})):
        with pytest.raises(ValueError, match="for whole videos, expected .*Combine Rewards"):
            video(whole)


def test_a_reward_of_pictures_alone_scores_the_mean_of_all_frames():
    inner = Red()
    found = score_any(inner, clips(*ROWS), ["0", "10", "20"])
    assert found.tolist() == pytest.approx([0.45, 10.8, 20.25], abs=1e-5)
    assert inner.seen == [(12, 4, 5, 3)]
    pictures = clips(*ROWS)[:, 1]
    assert score_any(inner, pictures, ["0"] * 3).tolist() == pytest.approx([0.5, 0.8, 0.0])
    assert score_any(Length(), clips(*ROWS), ["0"] * 3).tolist() == pytest.approx([0.4] * 3)


def plain_sum(**parts):
    mode = MODES["weighted_sum"](weight_2=10.0, standardise=False)
    return CombinedScorer(mode, dict(enumerate(parts.values(), 1)))


def test_combined_with_a_reward_of_clips():
    """10 times a tenth of the length, and of the other part the mean, or what a video gives."""
    both = plain_sum(red=Red(), length=Length())
    assert reads_clips(both) and reads_clips(CombinedScorer(both.mode, {1: both, 2: Red()}))
    assert score(both, clips(*ROWS)) == pytest.approx([4.45, 4.8, 4.25])
    assert score(both, clips(*ROWS)[:, 3]) == pytest.approx([1.9, 1.8, 1.0])
    both = plain_sum(worst=video(pooling="minimum"), length=Length())
    assert score(both, clips(*ROWS)) == pytest.approx([4.1, 4.8, 4.0])
    with pytest.raises(ValueError, match="expected"):
        both.score(torch.zeros(2, 3, 4, 5, 4), ["0", "0"])


def test_combined_pictures_are_combined_frame_by_frame():
    """Without a reward of clips it is the mean of minima, not the minimum of means."""

    class Less(Red):
        def score(self, images, prompts):
            return 0.5 - super().score(images, prompts)

    frames = CombinedScorer(MODES["minimum"](standardise=False), {1: Red(), 2: Less()})
    assert not reads_clips(frames)
    wanted = [np.mean([min(r, 0.5 - r) for r in row]) for row in ROWS]
    assert score_any(frames, clips(*ROWS), ["0"] * 3).tolist() == pytest.approx(wanted, abs=1e-6)
    assert score(video(frames), clips(*ROWS)) == pytest.approx(wanted, abs=1e-6)


def test_a_clip_counts_as_one_where_clips_are_read():
    """Statistics over clips: after the warm-up they stay."""
    scorer = fresh(CombinedScorer(MODES["weighted_sum"](), {1: Length(), 2: video()}))
    score(scorer, clips(*[[0.1 * i, 0.1 * i] for i in range(WARMUP)]))
    assert [own.count for own in scorer.statistics.values()] == [WARMUP, WARMUP]
    assert scorer.statistics[2].mean == pytest.approx(np.mean(np.arange(WARMUP)) / 10)


def test_a_run_begins_anew_within_a_video():
    """What the frames' reward learns in one run is not there in the next."""
    base = video(CombinedScorer(MODES["weighted_sum"](), {1: Red(), 2: Red()}), frames=2)
    outer = CombinedScorer(MODES["minimum"](standardise=False), {1: base, 2: base})
    for make in (lambda: fresh(base), lambda: fresh(outer)):
        first, second = make(), make()
        assert score(first, clips(*ROWS)) == score(second, clips(*ROWS))
        learnt = score(first, clips([0.3, 0.6]))
        assert score(make(), clips([0.3, 0.6])) != learnt


def test_a_run_goes_on_within_a_video():
    """With a fresh one statistics stay between calls; the node's own learns nothing."""
    base = video(CombinedScorer(MODES["weighted_sum"](), {1: Red(), 2: Red()}), frames=0)
    running = fresh(base)
    score(running, clips([0.1 * i for i in range(WARMUP)]))
    alone = clips([0.7, 0.7])
    assert score(running, alone)[0] > 1.0
    score(base, clips([0.1 * i for i in range(WARMUP)]))
    assert score(base, alone) == [0.0]


def test_groups_of_clips_are_one_call():
    """Clips of several lengths and sizes; what scores their frames standardises over all."""
    wide, prompts = clips(*ROWS)[:1, :2].repeat(1, 1, 1, 2, 1), ["0"] * 3
    groups = [(wide, prompts[:1]), (clips(*ROWS)[1:, :3], prompts[1:])]
    found = score_groups(Red(), groups)
    wanted = [np.mean(ROWS[0][:2]), *(np.mean(row[:3]) for row in ROWS[1:])]
    assert found.tolist() == pytest.approx(wanted)
    frames = CombinedScorer(MODES["weighted_sum"](), {1: Red(), 2: Red()})
    for scorer in (frames, video(frames, frames=0)):
        scores = score_groups(scorer, groups)
        assert scores.shape == (3,) and scores.unique().numel() == 3
        # Each reward's standard scores of all 8 frames have the sum 0.
        assert float(scores @ torch.tensor([2.0, 3.0, 3.0]).double()) == pytest.approx(0, abs=1e-5)
