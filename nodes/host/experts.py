"""Two expert models of one search, as Wan 2.2 14B has: one for high noise and one for low."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .network import Network

LOW = "model_low"  # the input of the second expert
CARRIED = "sampler_post_cfg_function"  # what a sampler adds to the model options of its calls


@dataclass(frozen=True)
class Experts:
    """x0 predictions of the expert for each time, in the place of one network.

    All rows of a call share their time, so a round of particles changes the model at most twice. A
    decode loads none of them again: the next call loads the one that it needs.

    Args:
        high: from `boundary` up.
        low: below it.
        boundary: a time.
    """

    high: Network
    low: Network
    boundary: float

    @property
    def base(self) -> Any:
        """The host's model. Both experts scale latents alike."""
        return self.high.base

    def at(self, t: float) -> Network:
        """The expert of a time."""
        return self.high if t >= self.boundary else self.low

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """The x0 of x at time t."""
        network = self.at(t)
        with network.purse.spent_by(network.name):
            return network(x, t)

    def pictures(self, x: Tensor) -> Tensor:
        """The images or videos (K,*P) in rows (K,*D)."""
        return self.high.pictures(x)

    def load(self, x: Tensor, rows: int, times: int = 1) -> None:
        """Have the next call load its expert. Args: as of `Network.load`."""
        self.high.turn.name = ""


def experts_of(networks: Mapping[str, Network], boundary: float) -> Network | Experts:
    """What predicts x0 in a search: both experts, or the only network.

    Args:
        networks: by the name of their model.
        boundary: a time.
    """
    low = networks.get(LOW)
    return networks["model"] if low is None else Experts(networks["model"], low, boundary)


def options_for(
    network: Network, options: Mapping[str, Any], first: Mapping[str, Any]
) -> dict[str, Any]:
    """The keyword arguments of a sampler's call, for another network than it was given.

    Args:
        network: that answers.
        options: of the call.
        first: model options that the sampler was given.
    """
    kept = network.extra_args["model_options"]
    before = first.get(CARRIED, [])
    called = options.get("model_options", {})
    added = [function for function in called.get(CARRIED, []) if function not in before]
    model_options = kept | ({CARRIED: [*kept.get(CARRIED, []), *added]} if added else {})
    return dict(options) | {"model_options": model_options}
