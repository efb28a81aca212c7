"""Search methods, each a generator that reads as its paper's algorithm box."""

from ..types import Search
from .best_of_n import BestOfN
from .rbf import RolloverBudgetForcing

SEARCHES: dict[str, type[Search]] = {
    "rbf": RolloverBudgetForcing,
    "best_of_n": BestOfN,
}
