import dataclasses
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pack.rewards import (
    MODES,
    REWARDS,
    CombinedScorer,
    Scorer,
    fresh,
    learned,
    learns,
    score_groups,
    taught,
)
from pack.rewards.clips.video import VideoScorer
from pack.rewards.combine.modes import CombineMode, Constraint, Minimum, Product, WeightedSum
from pack.rewards.combine.statistics import WARMUP, Statistics

DOCS = Path(__file__).resolve().parents[2] / "web" / "docs"
NAN, INF = float("nan"), float("inf")
KNOWN = {"tooltip", "min", "max", "step", "choices", "multiline", "placeholder", "advanced"}


@dataclass(frozen=True)
class Channel:
    """A scorer for tests: the value of one channel of the first pixel."""

    channel: int
    refuses: str = ""
    module: ClassVar[None] = None

    def check(self, prompt):
        if prompt == self.refuses:
            raise ValueError(f"channel {self.channel} cannot read it")

    def score(self, images, prompts):
        return images[:, 0, 0, self.channel]


def pictures(*rows):
    """Rows (r_1, r_2[, r_3]) -> pictures that the channels score so."""
    padded = [(*row, *[0.0] * (3 - len(row))) for row in rows]
    return torch.tensor(padded, dtype=torch.float32)[:, None, None, :]


def combined(mode, slots=(1, 2)):
    return CombinedScorer(mode, {slot: Channel(i) for i, slot in enumerate(slots)})


def score(scorer, images):
    return scorer.score(images, ["a prompt"] * len(images))


def random_pictures(n, seed=0):
    return torch.rand(n, 2, 2, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", MODES)
def test_modes_are_declared(name):
    mode = MODES[name]
    assert isinstance(mode(), CombineMode) and mode.__dataclass_params__.frozen
    for field in dataclasses.fields(mode):
        assert field.metadata["tooltip"] and set(field.metadata) <= KNOWN
        if type(field.default) is float:
            assert field.metadata["min"] <= field.default <= field.metadata["max"]
            assert field.metadata["step"] > 0


def test_each_mode_is_in_the_help_page():
    for page in ("FlowSearchRewardCombine.md", "FlowSearchRewardCombine/zh.md"):
        text = (DOCS / page).read_text("utf-8")
        assert re.findall(r"^\| (\w+) \|", text, re.MULTILINE)[1:] == list(MODES)


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("begin", [fresh, lambda scorer: scorer])
def test_it_is_a_scorer_of_real_rewards(name, begin):
    parts = {1: REWARDS["brightness"](target=0.0), 2: REWARDS["sharpness"]()}
    if name == "product":
        parts[1] = REWARDS["colourfulness"]()
    scorer = begin(CombinedScorer(MODES[name](), {k: r.load() for k, r in parts.items()}))
    assert isinstance(scorer, Scorer)
    images = torch.rand(5, 8, 8, 3, generator=torch.Generator().manual_seed(1))
    scores = score(scorer, images)
    assert scores.shape == (5,) and scores.isfinite().all() and scores.unique().numel() == 5
    assert score(scorer, images[:0]).shape == (0,)
    with pytest.raises(ValueError, match="expected"):
        scorer.score(images, ["a prompt"])


def test_formulas():
    images = pictures((1.0, 4.0), (3.0, 0.5))
    plain = WeightedSum(weight_1=2.0, weight_2=-0.5, standardise=False)
    assert score(combined(plain), images).tolist() == [0.0, 5.75]
    assert score(combined(Product()), images).tolist() == [4.0, 1.5]
    assert score(combined(Minimum(standardise=False)), images).tolist() == [1.0, 0.5]
    kept = score(combined(Constraint(threshold_2=1.0)), images)
    assert kept.tolist() == pytest.approx([0.5, -2.0 - 0.5 / 1.5])


def test_a_gap_between_connected_rewards_keeps_their_settings():
    images = pictures((1.0, 10.0))
    mode = WeightedSum(weight_2=5.0, weight_4=3.0, standardise=False)
    assert score(combined(mode, (1, 4)), images).item() == 31.0
    assert score(combined(Constraint(threshold_2=99.0, threshold_4=10.0), (1, 4)), images) > 0
    assert score(combined(Constraint(threshold_4=10.5), (1, 4)), images) < -2


@pytest.mark.parametrize(
    "mode",
    [WeightedSum(weight_1=0.3, weight_2=2.0), WeightedSum(standardise=False), Product(), Minimum()],
)
def test_more_of_every_part_is_never_less(mode):
    worse = random_pictures(50, 1)
    better = worse + torch.rand(worse.shape, generator=torch.Generator().manual_seed(2))
    scorer = fresh(combined(mode))
    score(scorer, random_pictures(WARMUP, 3))
    assert (score(scorer, better) > score(scorer, worse)).all()


def test_a_negative_score_has_no_product():
    with pytest.raises(ValueError, match=r"reward_2 .* got -3\.5, expected 0 or more"):
        score(combined(Product()), pictures((1.0, 2.0), (1.0, -3.5)))
    assert score(combined(Product()), pictures((1.0, -0.0))).item() == 0.0


scores_32 = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.tuples(scores_32, scores_32, scores_32), min_size=2, max_size=2),
    thresholds=st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
)
def test_constraint_is_the_order_asked_for(rows, thresholds):
    c_2, c_3 = torch.tensor(thresholds, dtype=torch.float32).tolist()
    mode = Constraint(threshold_2=thresholds[0], threshold_3=thresholds[1])
    a, b = score(combined(mode, (1, 2, 3)), pictures(*rows)).tolist()
    assert math.isfinite(a) and math.isfinite(b)

    def violation(row):
        return max(0.0, c_2 - row[1]) + max(0.0, c_3 - row[2])

    v_a, v_b = violation(rows[0]), violation(rows[1])
    key_a, key_b = (-v_a, 0.0 if v_a else rows[0][0]), (-v_b, 0.0 if v_b else rows[1][0])
    if (v_a > 0.0) != (v_b > 0.0):
        assert (a < b) == (v_a > 0.0) and a != b
    elif key_a != key_b:
        assert a <= b if key_a < key_b else a >= b


def test_constraint_tells_close_scores_apart():
    ladder = [-1e6, -20.0001, -20.0, -1e-30, 0.0, 1e-30, 19.999, 20.0, 20.0001, 1e6]
    feasible = score(combined(Constraint()), pictures(*[(r, 0.0) for r in ladder]))
    assert (feasible.diff() > 0).all() and feasible.abs().max() <= 1
    short = [-1e6, -2.0, -1.0, -0.001, -1e-12]
    infeasible = score(combined(Constraint()), pictures(*[(5.0, r) for r in short]))
    assert (infeasible.diff() > 0).all()
    assert -3.0 <= infeasible.min() and infeasible.max() < feasible.min()


def test_a_threshold_is_reached_by_the_same_number():
    assert score(combined(Constraint(threshold_2=0.7)), pictures((1.0, 0.7))).item() == 0.5


@pytest.mark.parametrize("mode", [mode() for mode in MODES.values()], ids=MODES)
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_part_that_is_no_number_makes_no_number(mode, bad):
    if mode == Product() and bad == -INF:
        pytest.skip("a negative score, an error of its own")
    images = pictures((1.0, 2.0), (bad, 3.0), (2.0, bad), (3.0, 1.0))
    scores = score(fresh(combined(mode)), images)
    assert scores.isnan().tolist() == [False, True, True, False]
    weightless = WeightedSum(weight_1=0.0, weight_2=0.0)
    assert score(fresh(combined(weightless)), images).isnan().sum() == 2


def test_statistics_are_those_of_the_first_scores():
    values = torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    values[[0, 3]] = NAN
    own = Statistics(WARMUP)
    for chunk in values.split(3):
        own.add(chunk)
    first = values[values.isfinite()][:WARMUP]
    assert own.count == WARMUP and own.mean == pytest.approx(first.mean().item())
    assert own.squares / own.count == pytest.approx(first.var(correction=0).item())
    z = own.standardise(first)
    assert z.mean().item() == pytest.approx(0.0, abs=1e-12)
    assert z.std(correction=0).item() == pytest.approx(1.0)


@pytest.mark.parametrize("value", [0.1, -7.3, 0.0, 1e-20])
def test_one_known_value_counts_as_spread_one(value):
    own = Statistics(WARMUP)
    own.add(torch.full((5,), value, dtype=torch.float64))
    assert own.standardise(torch.tensor([value, value + 2.0])).tolist() == pytest.approx([0.0, 2.0])
    own.add(torch.tensor([value + 1.0], dtype=torch.float64))
    assert own.standardise(torch.tensor([value + 2.0])).item() > 2.0


@pytest.mark.parametrize("mode", [WeightedSum(), Minimum()])
@pytest.mark.parametrize("size", [1, 3, 8, 11])
def test_grouping_changes_nothing_after_the_warm_up(mode, size):
    images = random_pictures(30)
    together, grouped = (fresh(combined(mode)) for _ in range(2))
    whole = score(together, images)
    parts = torch.cat([score(grouped, rows) for rows in images.split(size)])
    assert together.statistics == grouped.statistics
    settled = -(-WARMUP // size) * size
    assert torch.equal(whole[settled:], parts[settled:])
    assert torch.equal(score(grouped, images), whole)


def test_statistics_are_frozen_and_each_run_has_its_own():
    cached = combined(WeightedSum())
    images = random_pictures(WARMUP, 5)
    run = fresh(cached)
    first = score(run, images)
    before = [dataclasses.replace(own) for own in run.statistics.values()]
    score(run, 100.0 + random_pictures(20, 6))
    assert list(run.statistics.values()) == before
    assert torch.equal(score(run, images), first)
    assert cached.statistics is None
    assert torch.equal(score(fresh(cached), images), first)


def test_what_a_combination_has_learned_can_be_taught():
    """Also what combinations in it and in a video have learned; none has before its warm-up."""
    inner = combined(Minimum())
    whole = CombinedScorer(WeightedSum(standardise=False), {1: inner, 3: Channel(2)})
    for scorer in (inner, whole, VideoScorer(whole, 0, "mean", 1.0)):
        run, elsewhere = fresh(scorer), fresh(scorer)
        score(run, random_pictures(WARMUP - 1))
        assert learns(scorer) and learned(run) is None and learned(scorer) is None
        score(run, random_pictures(2, seed=1))
        sent = json.loads(json.dumps(learned(run)))
        more = random_pictures(5, seed=2)
        assert torch.equal(score(taught(elsewhere, sent), more), score(run, more))
        assert not torch.equal(score(elsewhere, more), score(run, more))
    assert learned(Channel(0)) == [] and taught(whole.parts[3], []) is whole.parts[3]


def test_standardised_rewards_of_other_units_weigh_the_same():
    images = random_pictures(40, 7)
    scaled = images * torch.tensor([1.0, 1024.0, 1.0])
    before, after = (score(fresh(combined(WeightedSum())), pics) for pics in (images, scaled))
    torch.testing.assert_close(before, after)


def test_a_reward_that_silences_the_others_is_told_of_once(caplog):
    """Its first scores hardly differed, so that any later one is far off."""
    first = [(0.1 * i, 0.5 + 1e-6 * i) for i in range(WARMUP)]
    run = fresh(combined(WeightedSum()))
    score(run, pictures(*first, (0.9, 0.5), (0.2, NAN)))
    assert not caplog.messages
    scores = [score(run, pictures((0.2, 0.7), (0.1, 0.8))) for _ in range(2)]
    assert torch.equal(*scores) and scores[0].min() > 1000
    (told,) = caplog.messages
    wanted = "reward_2 outweighs the rewards combined with it: it scored 0.7, over 100 standard "
    assert told.startswith(f"{wanted}deviations from its first 8")
    score(fresh(combined(Minimum(standardise=False))), pictures(*first, (0.2, 0.7)))
    score(combined(WeightedSum()), pictures(*first, (0.2, 0.7)))
    assert len(caplog.messages) == 1
    score(fresh(run), pictures(*first, (0.2, 0.7)))
    assert len(caplog.messages) == 2


def test_gradients_count_where_nothing_else_is_scored():
    """Guidance without a search; in a search the gradients are at pictures that were scored."""
    images = random_pictures(WARMUP, 9)
    alone, search, scored = (fresh(combined(WeightedSum())) for _ in range(3))
    for scorer, first in ((alone, []), (search, images.split(1)), (scored, images.split(1))):
        for picture in first:
            score(scorer, picture)
        for picture in images.split(1) if scorer is not scored else ():
            score(scorer, picture.clone().requires_grad_())
    assert search.statistics == scored.statistics
    assert {own.count for own in alone.statistics.values()} == {WARMUP}
    for own, other in zip(alone.statistics.values(), scored.statistics.values(), strict=True):
        assert (own.mean, own.squares) == (other.mean, other.squares)


def test_without_a_run_a_call_stands_alone():
    scorer, images = combined(Minimum()), random_pictures(20, 8)
    both = images[:, 0, 0, :2].double()
    z = (both - both.mean(0)) / both.std(0, correction=0)
    torch.testing.assert_close(score(scorer, images), z.amin(1))
    score(scorer, images + 5.0)
    torch.testing.assert_close(score(scorer, images), z.amin(1))


def test_a_combination_of_combinations():
    inner = combined(WeightedSum())
    outer = CombinedScorer(Minimum(), {1: inner, 2: Channel(2)})
    run = fresh(outer)
    scores = score(run, random_pictures(12, 9))
    assert scores.dtype == torch.float64 and scores.isfinite().all()
    assert [own.count for own in run.parts[1].statistics.values()] == [WARMUP] * 2
    assert inner.statistics is None and fresh(Channel(0)) == Channel(0)


def test_every_part_is_asked_about_the_prompt():
    inner = CombinedScorer(Product(), {1: Channel(0), 2: Channel(1, refuses="odd")})
    outer = CombinedScorer(Minimum(), {1: Channel(2), 2: inner})
    outer.check("even")
    with pytest.raises(ValueError, match="channel 1 cannot read it"):
        outer.check("odd")


def test_a_gradient_goes_through():
    images = random_pictures(4, 10).requires_grad_()
    score(fresh(combined(WeightedSum())), images).sum().backward()
    assert (images.grad[:, 0, 0, :2] > 0).all()


@pytest.mark.parametrize("mode", [WeightedSum(weight_2=0.3), Minimum(), Product()])
def test_groups_of_images_are_one_call(mode):
    """They are standardised together, whatever their sizes; so are combinations of combinations."""
    images, prompts = random_pictures(7, 4), ["a prompt"] * 7
    outer = CombinedScorer(mode, {1: combined(mode), 2: Channel(2)})
    wide = images[3:].repeat(1, 1, 2, 1)
    groups = [(images[:3], prompts[:3]), (wide, prompts[3:])]
    assert torch.equal(score_groups(outer, groups), score(outer, images))


@pytest.mark.parametrize("name", MODES)
def test_only_standardised_scores_depend_on_earlier_images(name):
    mode = MODES[name]()
    inner = CombinedScorer(mode, {})
    assert inner.learns == learns(CombinedScorer(Constraint(), {2: inner})) == mode.standardise
    assert not learns(object())
