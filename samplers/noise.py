"""Addressed noise: the id of a particle decides its noise, not the order of drawing.

Noise is drawn on the CPU from a generator seeded by (seed, image, particle id). So a result does
not depend on batch size, order of evaluation or device. The bits are the same for every version of
torch (tests/samplers/test_noise.py pins them). Rows of 16 numbers or more differ in their last bits
between processors with AVX2 and processors without.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_MASK = (1 << 64) - 1


def _splitmix64(value: int) -> int:
    """Finaliser of Steele et al. (2014): neighbouring inputs give unrelated seeds."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


@dataclass(frozen=True)
class AddressedNoise:
    """Standard normal rows (K,*D) of particle ids (K,), float32.

    With `images` = B > 1 the ids interleave B independent searches: id i is particle i // B of the
    image `image` + i % B.

    Args:
        seed: any integer; its lowest 64 bits count.
        shape: *D.
        device: where the rows go. They are drawn on the CPU.
        image: index in the batch.
        images: B.
    """

    seed: int
    shape: tuple[int, ...]
    device: torch.device | str = "cpu"
    image: int = 0
    images: int = 1

    def __call__(self, ids: Sequence[int]) -> Tensor:
        return torch.stack([self._row(int(i)) for i in ids]).to(self.device)

    def uniform(self, number: int, n: int) -> Tensor:
        """`n` uniforms in [0, 1), (n,) float64 on the CPU, for the id `number`."""
        return torch.rand(n, generator=self._generator(number), dtype=torch.float64)

    def sampler_seed(self, number: int) -> int:
        """A seed of 48 bits for what else is drawn for the id `number`, unrelated to its row."""
        return _splitmix64(self._address(number)) >> 16

    def _row(self, number: int) -> Tensor:
        return torch.randn(self.shape, generator=self._generator(number), dtype=torch.float32)

    def _generator(self, number: int) -> torch.Generator:
        return torch.Generator("cpu").manual_seed(self._address(number))

    def _address(self, number: int) -> int:
        address = self.seed & _MASK
        for part in (self.image + number % self.images, number // self.images):
            address = _splitmix64(address ^ _splitmix64(part))
        return address
