"""Settings of the kernels that step along the reverse SDE.

With eps = (x - alpha_t x0)/sigma_t, the reverse SDE is dx = [u - (g^2/2) score] dt + g dw. Its
velocity is u = alpha' x0 + sigma' eps, and its score is -eps/sigma (arXiv 2503.19385, Eq. 8).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from torch import Tensor

from ..change_path import ChangePath
from ..diffusions import SHAPES
from ..interpolants import INTERPOLANTS
from ..interpolants.linear import Linear
from ..interpolants.vp import VP
from ..stability import largest_norm
from ..types import Interpolant, Kernel, Transition

MODEL_PATH = Linear()


@dataclass(frozen=True)
class SDE(ABC):
    """The settings of a step of the reverse SDE, which a subclass defines.

    The subclass itself is the kernel for latents and times of `interpolant`; `build` makes the one
    for those of the model.

    Args:
        interpolant: the path on which the step is taken.
        diffusion: shape of the diffusion coefficient g(t) = diffusion_norm shape(t).
        diffusion_norm: at least 0; 0 is the ODE.
    """

    guidable: ClassVar[bool] = True
    inner: ClassVar[int] = 0

    interpolant: Interpolant = field(
        default=VP(),
        metadata={
            "registry": INTERPOLANTS,
            "tooltip": "Path along which the noise is removed. "
            "vp, the paper's choice, makes particles differ most.",
        },
    )
    diffusion: str = field(
        default="square",
        metadata={
            "choices": tuple(SHAPES),
            "optional": False,
            "tooltip": "How the fresh noise is spread over the steps. square puts most of it "
            "early, where the layout is decided.",
        },
    )
    diffusion_norm: float = field(
        default=3.0,
        metadata={
            "min": 0.0,
            "max": 20.0,
            "step": 0.05,
            "optional": False,
            "tooltip": "Strength of the fresh noise. The paper uses 3, and 0 is the plain ODE. "
            "Higher makes particles differ more.",
        },
    )

    def __post_init__(self) -> None:
        if self.diffusion not in SHAPES:
            raise ValueError(
                f"There is no such diffusion: got {self.diffusion!r}, expected one of "
                f"{', '.join(SHAPES)}."
            )
        if not (math.isfinite(self.diffusion_norm) and self.diffusion_norm >= 0.0):
            raise ValueError(
                f"diffusion_norm is out of range: got {self.diffusion_norm}, expected a finite "
                "number of at least 0."
            )

    @property
    def stochastic(self) -> bool:
        return self.diffusion_norm > 0.0

    def g(self, t: float) -> float:
        """The diffusion coefficient at the path's time t."""
        return self.diffusion_norm * SHAPES[self.diffusion](t, self.interpolant)

    @abstractmethod
    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition:
        """The law of x_s, by arithmetic alone: the check of its stability calls it with numbers.

        Args:
            x, x0: latents at t and their predicted clean latents, (K,*D) each.
            t, s: times of the path, s < t.
        """

    def build(self) -> Kernel:
        return ChangePath(self, self.interpolant, MODEL_PATH)

    def largest_norm(self, times: Sequence[float]) -> float:
        """The largest stable diffusion_norm, at most the present one, over falling model times."""
        return largest_norm(
            lambda norm: replace(self, diffusion_norm=norm).build(), self.diffusion_norm, times
        )

    def check(self, times: Sequence[float]) -> None:
        largest = self.largest_norm(times)
        if largest < self.diffusion_norm:
            raise ValueError(
                f"The noise explodes with diffusion {self.diffusion} on these sigmas: got "
                f"diffusion_norm {self.diffusion_norm:g}, expected at most {largest:g}. Use that "
                "norm, or the kernel eta."
            )
