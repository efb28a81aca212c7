"""What the registry of kernels asks of an entry."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from ..types import Kernel


class KernelSettings(Protocol):
    """A frozen dataclass whose fields are the settings of one kernel.

    Each field declares its input of the node in its metadata. Kernels share a setting by a common
    base class: a name has one declaration.

    Attributes:
        description: one sentence, shown in the node's tooltip.
        guidable: whether guidance can move a step, which must then have a Gaussian law.
    """

    description: ClassVar[str]
    guidable: ClassVar[bool]

    @property
    def stochastic(self) -> bool:
        """Whether a step draws noise."""

    def build(self) -> Kernel:
        """The kernel for the latents and times of the model, whose path is linear."""

    def check(self, times: Sequence[float]) -> None:
        """Raise ValueError if steps over these falling model times, all above 0, would explode."""
