"""Shapes of the diffusion coefficient g(s) = norm * shape(s), s in [0, 1] a time of the path.

Any g >= 0 keeps the marginals of the reverse SDE (arXiv 2503.19385, App. B). Its size sets how far
the children of one particle differ. The paper's configuration is `square` with norm 3: g = 3 s^2.
"""

import math
from collections.abc import Callable

from .types import Interpolant

EXP_WIDTH = 0.1  # of the paper's released configuration

SHAPES: dict[str, Callable[[float, Interpolant], float]] = {
    "square": lambda s, path: s * s,
    "sigma": lambda s, path: path.sigma(s),
    "constant": lambda s, path: 1.0,
    "sin": lambda s, path: math.sin(0.5 * math.pi * s),
    "linear": lambda s, path: s,
    "clipping": lambda s, path: max(0.0, 2.0 * (s - 0.5)),
    "exp": lambda s, path: math.exp(-(((s - 1.0) / EXP_WIDTH) ** 2)),
    "tan": lambda s, path: math.tan(0.5 * math.pi * min(s, 0.95)),
}
