"""Noise by address, and what is drawn with it: re-noised copies and neighbours of a start."""

import math

import pytest
import torch
from pack.samplers.batching import MicroBatch
from pack.samplers.interpolants.linear import Linear
from pack.samplers.interpolants.vp import VP
from pack.samplers.noise import AddressedNoise
from pack.samplers.ode import ODE
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.types import Particles

from .setups import KERNELS, Setup
from .world import MODES, WIDTH, task_of


def test_noise_has_an_address():
    noise = AddressedNoise(5, (2, 3))
    order = [4, 0, 9, 2]
    rows = noise(order)
    assert torch.equal(rows, torch.cat([noise([i]) for i in order]))
    assert torch.equal(rows.flip(0), noise(order[::-1]))
    pair = AddressedNoise(5, (2, 3), image=1, images=2)(range(6))
    alone = [AddressedNoise(5, (2, 3), image=1 + i) for i in range(2)]
    assert torch.equal(pair, torch.cat([alone[i % 2]([i // 2]) for i in range(6)]))
    cells = [AddressedNoise(s, (8,), image=b)([i]) for s in (0, 1) for b in (0, 1) for i in (0, 1)]
    assert len({tuple(cell.flatten().tolist()) for cell in cells}) == 8


def bits(row):
    """Of each number the bits of float32, or of float64, as an integer."""
    whole = {torch.float32: (torch.int32, 32), torch.float64: (torch.int64, 64)}
    kind, width = whole[row.dtype]
    return [number % (1 << width) for number in row.flatten().view(kind).tolist()]


# (seed, image, images, id, shape) -> bits. Every version of torch has to draw these on a CPU.
SHORT = {
    (0, 0, 1, 0, (3,)): [0x3F25D5E9, 0x3F189F00, 0x3F867258],
    (0, 0, 1, 1, (3,)): [0x3ED59488, 0xBF8D6424, 0xBF2F9A59],
    (0, 1, 1, 0, (3,)): [0x3E1ADB24, 0x3EDDF5B3, 0x3E0186B4],
    (1, 0, 1, 0, (3,)): [0xBD66F0AA, 0x3E67F691, 0x3FCB0310],
    (123456789, 2, 1, 1000, (2, 2)): [0x3F65B8DE, 0xBDB39F3A, 0xBF6F3CA0, 0xC01D18A8],
    (2**64 - 1, 0, 1, 7, (3,)): [0x3F039BB8, 0x3F4D5530, 0x3EEFD3AD],
    (42, 3, 2, 9, (3,)): [0xBE528FBF, 0x3FB9420D, 0x3D472C64],
}
# Of rows of 16 numbers and more: the first two, the eighth and the last; the sum of all bits.
LONG = {
    (42, 0, 1, 5, (16,)): ([0x3FD0C659, 0xBF2D9BA6, 0x3F38EC3D, 0xBE4384C4], 0xEFB088AD),
    (42, 1, 1, 5, (17,)): ([0x400D5898, 0xBF1B2410, 0xBE9DE62C, 0xBF7CC1E6], 0xAF5F0536),
    (2**63, 0, 1, 31, (4, 8, 8)): ([0x3FC61DCC, 0xBEE3ED54, 0x3F4E76E6, 0xBF875380], 0x08538412),
}
UNIFORMS = {
    (0, 0, 0): [0x3FBE4F6F80561D00, 0x3FD48FB168DF7F0A, 0x3FEC98FBD7907E83],
    (42, 1, 1000): [0x3FE2F987461BCD5B, 0x3FB99F46E1368750],
}


def golden_row(address):
    seed, image, images, number, shape = address
    return AddressedNoise(seed, shape, image=image, images=images)([number])[0]


@pytest.mark.parametrize("address", SHORT, ids=str)
def test_an_address_is_the_same_bits_for_ever(address):
    row = golden_row(address)
    assert row.shape == address[-1] and bits(row) == SHORT[address]


@pytest.mark.parametrize("address", LONG, ids=str)
def test_long_rows_are_the_same_bits_on_processors_with_avx2(address):
    """Others compute their logarithms and cosines differently, in the last bits."""
    row, (chosen, total) = golden_row(address), LONG[address]
    assert row.shape == address[-1]
    if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"):
        assert [bits(row)[i] for i in (0, 1, 7, -1)] == chosen
        assert sum(bits(row)) % (1 << 32) == total
    pinned = torch.tensor(chosen, dtype=torch.int64).to(torch.int32).view(torch.float32)
    torch.testing.assert_close(row.flatten()[[0, 1, 7, -1]], pinned, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("address", UNIFORMS, ids=str)
def test_uniforms_of_an_address_are_the_same_bits_for_ever(address):
    seed, image, number = address
    uniforms = AddressedNoise(seed, (1,), image=image).uniform(number, len(UNIFORMS[address]))
    assert bits(uniforms) == UNIFORMS[address]


def test_noise_is_standard_normal():
    x = AddressedNoise(1, (50,))(range(400)).flatten().double()
    n = len(x)
    assert abs(x.mean()) < 5 / math.sqrt(n)
    assert abs(x.var() - 1) < 5 * math.sqrt(2 / n)
    neighbours = (x[:-50] * x[50:]).mean()
    assert abs(neighbours) < 5 / math.sqrt(n)


def at_step(x, step):
    """Particles of latents x alone."""
    n = len(x)
    column = torch.zeros(n, dtype=torch.long)
    reward = torch.full((n,), torch.nan, dtype=torch.float64)
    return Particles(x, x, x, reward, torch.arange(n), column - 1, column + 3, column + step)


def close(a, b, error, k=5.0):
    assert abs(float(a) - float(b)) < k * float(error), (float(a), float(b), float(error))


@pytest.mark.parametrize("path", [Linear(), VP()], ids=["linear", "vp"])
@pytest.mark.parametrize("t, high", [(0.4, 0.8), (0.15, 0.3), (0.7, 1.0)])
def test_markov_renoising_keeps_the_law(path, t, high):
    """x_T of exact x_t is distributed as alpha_T x0 + sigma_T eps, together with its x0."""
    n, generator = 40_000, torch.Generator().manual_seed(1)
    x0, e1 = torch.randn(2, n, 1, generator=generator, dtype=torch.float64)
    mode = torch.rand(n, 1, generator=generator, dtype=torch.float64) < MODES[0][1]
    x0 = torch.where(mode, MODES[0][0], MODES[1][0]) + WIDTH * x0
    task = task_of(
        denoiser=lambda x, t: x,
        kernel=ODE(path),
        times=[high, t],
        start=None,
        noise=lambda ids: torch.randn(len(ids), 1, generator=generator, dtype=torch.float64),
        path=path,
        batch=MicroBatch(n),
    )
    low = path.alpha(t) * x0 + path.sigma(t) * e1
    x = task.renoise(at_step(low, 1), 0).x
    signal, noise = path.alpha(high) * x0, path.sigma(high)
    left = x - signal
    close(left.mean(), 0.0, noise / math.sqrt(n))
    close(left.std(), noise, noise / math.sqrt(2 * n))
    close((left * x0).mean(), 0.0, noise * float(x0.square().mean()) ** 0.5 / math.sqrt(n))
    # The chain is Markov: what is kept of the old noise falls by alpha_T/alpha_t too.
    kept = path.alpha(high) / path.alpha(t) * path.sigma(t)
    close((left * e1).mean(), kept, noise * 2 / math.sqrt(n))


def test_renoised_copies_know_their_origin_and_are_paid_unscored():
    task = Setup(BestOfN(), 4, extra=99).task(objective=None)
    parents = at_step(torch.ones(3, 3), 2)[[2, 0, 0]]
    (first,), before = task._new_ids(1), task.purse.nfe
    copies = task.renoise(parents, 1)
    assert copies.ids.tolist() == [first + 1, first + 2, first + 3]
    assert copies.parents.tolist() == [2, 0, 0] and copies.paths.tolist() == [3, 3, 3]
    assert copies.steps.tolist() == [1, 1, 1] and copies.reward.isnan().all()
    assert task.purse.nfe - before == 3
    assert len(copies.x.unique(dim=0)) == 3
    with pytest.raises(ValueError, match="unpack"):
        task.renoise(Particles.cat([copies, parents]), 0)


@pytest.mark.parametrize("centre", [0.0, torch.full((1, 400), 3.0, dtype=torch.float64)])
@pytest.mark.parametrize("radius", [0.01, 0.3, 0.8, 1.0])
def test_neighbours_have_the_law_of_a_start(centre, radius):
    """Of one start 400 wide: its neighbours at any radius, standard normal about the centre."""
    noise, sigma, n = AddressedNoise(2, (400,)), 0.9, 50
    task = task_of(
        denoiser=lambda x, t: x,
        kernel=KERNELS["ode"],
        times=[sigma],
        start=lambda ids: centre + sigma * noise(ids).double(),
        noise=noise,
        centre=centre,
    )
    around = task.starts(1).x
    near = task.starts(n, around, radius)
    ids, x = near.ids, near.x
    assert ids == list(range(1, n + 1))
    own = (around - centre) / sigma
    z, count = (x - centre) / sigma, x.numel()
    kept = math.sqrt(1 - radius**2)
    new = (z - kept * own) / radius
    close(new.mean(), 0.0, 1 / math.sqrt(count))
    close(new.square().mean(), 1.0, math.sqrt(2 / count))
    close((new * own).mean(), 0.0, 1 / math.sqrt(count))
    assert torch.allclose(new, noise(ids).double(), atol=1e-9)
    # Over starts themselves, the law of a neighbour is that of a start again.
    pairs = []
    for _ in range(n):
        around = task.starts(1).x
        (one,) = task.starts(1, around, radius).x
        pairs.append((one - centre) / sigma)
    pairs = torch.stack(pairs)
    close(pairs.mean(), 0.0, 1 / math.sqrt(count))
    close(pairs.square().mean(), 1.0, math.sqrt(2 / count))


def test_a_neighbour_at_radius_one_is_a_start():
    task, other = (Setup(BestOfN()).task() for _ in range(2))
    around = task.starts(1).x
    other.starts(1)
    near, fresh = task.starts(4, around, 1.0), other.starts(4)
    assert near.ids == fresh.ids and torch.equal(near.x, fresh.x)
