"""Search methods. Each is a generator that reads as its paper's algorithm box."""

from .best_of_n import BestOfN
from .code import CoDe
from .pruned import Pruned
from .rbf import RolloverBudgetForcing
from .regional import Regional
from .regional_paths import RegionalPaths
from .rounds import Search
from .smc import SMC
from .sop import SearchOverPaths
from .svdd import SVDD
from .threshold import VerifierThreshold
from .zero_order import ZeroOrder

SEARCHES: dict[str, type[Search]] = {
    "rbf": RolloverBudgetForcing,
    "best_of_n": BestOfN,
    "smc": SMC,
    "svdd": SVDD,
    "code": CoDe,
    "sop": SearchOverPaths,
    "threshold": VerifierThreshold,
    "zero_order": ZeroOrder,
    "regional": Regional,
    "regional_paths": RegionalPaths,
    "pruned": Pruned,
}
