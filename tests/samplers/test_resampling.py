import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pack.samplers.resampling import RESAMPLERS, _pick, ess

EACH = list(RESAMPLERS)
LOW_VARIANCE = [name for name in EACH if name != "multinomial"]
LAST = 1.0 - 2.0**-53  # the largest double below 1
ROUNDING = 1e-9
WEIGHTS = torch.tensor([0.02, 0.31, 0.0, 0.17, 0.25, 0.25], dtype=torch.float64)

each_scheme = pytest.mark.parametrize("name", EACH)
pinned = settings(max_examples=100, derandomize=True, database=None, deadline=None)
log_weights = st.lists(
    st.one_of(st.floats(-30.0, 30.0), st.sampled_from([-math.inf, 0.0, 1.0])), min_size=1
).filter(lambda values: max(values) > -math.inf)
uniforms = st.floats(0.0, LAST)


def draw(name, log_w, u):
    return RESAMPLERS[name](torch.as_tensor(log_w, dtype=torch.float64), len(u), u)


def copies(name, log_w, u):
    return torch.bincount(draw(name, log_w, u), minlength=len(log_w))


def repeated(name, log_w, n, times, seed):
    """(times, K) counts of independent resamplings."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(times, n, generator=generator, dtype=torch.float64)
    return torch.stack([copies(name, log_w, row) for row in u]).double()


@each_scheme
@pytest.mark.parametrize("n", [1, 4, 7])
def test_unbiased(name, n):
    counts = repeated(name, WEIGHTS.log(), n, 2_000, seed=n)
    error = counts.std(0) / math.sqrt(len(counts))
    assert ((counts.mean(0) - n * WEIGHTS).abs() <= 5 * error + ROUNDING).all()


@pinned
@given(log_weights, st.lists(uniforms, min_size=1, max_size=40))
def test_copies_stay_within_the_bounds_of_their_scheme(log_w, u):
    n, u = len(u), torch.tensor(u, dtype=torch.float64)
    expected = n * torch.softmax(torch.tensor(log_w, dtype=torch.float64), 0)
    least = (expected - ROUNDING).floor()
    for name in EACH:
        got = copies(name, log_w, u)
        assert got.sum() == n
        assert (got[torch.tensor(log_w).isneginf()] == 0).all()
        if name in ("residual", "systematic"):
            assert (got >= least).all()
        if name in ("stratified", "systematic"):
            width = 1 if name == "systematic" else 2
            assert ((got - expected).abs() < width + ROUNDING).all()
        if name in LOW_VARIANCE:
            index = draw(name, log_w, u)
            assert torch.equal(index, index.sort().values)


def test_variance_is_never_above_multinomial():
    """Of the resampled mean of a function; stratified and residual with a clear margin here."""
    log_w = torch.linspace(-2.0, 2.0, 20, dtype=torch.float64)
    values = torch.linspace(-1.0, 3.0, 20, dtype=torch.float64)
    var = {name: (repeated(name, log_w, 20, 2_000, 5) @ values).var().item() for name in EACH}
    margin = 1.0 - 5.0 * math.sqrt(2.0 / 2_000)
    assert var["stratified"] < margin * var["multinomial"]
    assert var["residual"] < margin * var["multinomial"]


@pytest.mark.parametrize("name", LOW_VARIANCE)
@pytest.mark.parametrize("k", [1, 3, 7, 10, 49, 1000])
@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.5, LAST])
def test_equal_weights_give_everyone_the_same(name, k, each, value):
    u = torch.full((k * each,), value, dtype=torch.float64)
    want = torch.arange(k).repeat_interleave(each)
    assert torch.equal(draw(name, [-3.7] * k, u), want)


@pytest.mark.parametrize("value", [0.0, 0.5, LAST])
def test_ten_tenths_are_one_place(value):
    """Added up in floats they are not, and a neighbour of share 1 would be picked twice."""
    log_w = [math.log(0.1)] * 10 + [0.0] * 9
    for name in ("systematic", "stratified", "residual"):
        got = copies(name, log_w, torch.full((10,), value, dtype=torch.float64))
        assert got[10:].tolist() == [1] * 9


@each_scheme
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_u_close_to_one_stays_inside(name, dtype):
    """Many weights whose rounded sum misses 1, in the precision of a random number's caller."""
    log_w = torch.randn(20_000, generator=torch.Generator().manual_seed(0), dtype=dtype)
    for n in (1, 3, 4097):
        u = torch.full((n,), 1.0 - torch.finfo(dtype).eps / 2, dtype=dtype)
        index = RESAMPLERS[name](log_w, n, u)
        assert index.dtype == torch.int64 and index.shape == (n,)
        assert 0 <= index.min() and index.max() < len(log_w)


def test_a_sum_that_ends_short_still_picks_the_last_weight_above_zero():
    shares = torch.tensor([0.3, 0.69999, 0.0], dtype=torch.float64)
    assert _pick(shares, torch.tensor([0.0, 0.3, 0.999995, LAST]).double()).tolist() == [0, 1, 1, 1]


@each_scheme
@pytest.mark.parametrize("value", [0.0, 0.5, LAST])
@pytest.mark.parametrize("alive", [[1], [0], [5], [1, 2], [2, 4]])
def test_a_weight_of_zero_is_never_picked(name, value, alive):
    log_w = torch.full((6,), -math.inf)
    log_w[alive] = 2.0
    for n in (1, 2, 5):
        index = draw(name, log_w, torch.full((n,), value, dtype=torch.float64))
        assert set(index.tolist()) <= set(alive)


@each_scheme
def test_only_differences_of_log_weights_count(name):
    """Also where exp would overflow or vanish."""
    u = torch.rand(9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    log_w = torch.tensor([0.0, 1.0, -2.0, 0.5], dtype=torch.float64)
    want = draw(name, log_w, u)
    for shift in (-4096.0, 4096.0):
        assert torch.equal(draw(name, log_w + shift, u), want)
        assert ess(log_w + shift) == pytest.approx(ess(log_w))


def test_ess():
    assert ess(torch.zeros(8)) == pytest.approx(8.0)
    assert ess(torch.tensor([0.0, -math.inf, -math.inf])) == pytest.approx(1.0)
    assert ess(torch.tensor([0.75, 0.25]).log()) == pytest.approx(1.6)
    assert ess(torch.tensor([-5e3, -5e3, -9e3])) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "log_w, said",
    [
        ([-math.inf] * 3, "got 3 weights of 0, expected one above 0"),
        ([0.0, math.nan], "expected no NaN, no .inf"),
        ([0.0, math.inf], "expected no NaN, no .inf"),
        ([], "expected .K,., K >= 1"),
        ([[0.0]], "expected .K,., K >= 1"),
    ],
)
def test_impossible_weights_are_refused(log_w, said):
    for name in EACH:
        with pytest.raises(ValueError, match=said):
            draw(name, log_w, torch.zeros(2))
    with pytest.raises(ValueError, match=said):
        ess(torch.tensor(log_w))


@each_scheme
@pytest.mark.parametrize("u", [[], [1.0], [-0.1, 0.5], [0.5, math.nan]])
def test_impossible_uniforms_are_refused(name, u):
    with pytest.raises(ValueError, match="expected"):
        draw(name, [0.0, 1.0], torch.tensor(u))
    with pytest.raises(ValueError, match="got .2,. for 3 draws, expected .n,."):
        RESAMPLERS[name](torch.zeros(2), 3, torch.zeros(2))
