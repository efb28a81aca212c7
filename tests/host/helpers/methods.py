"""Settings that make each search method small; a new method has none."""

from pack.samplers.search import SEARCHES

SMALL = {
    "rbf": {"method.init_particles": 3, "method.speculation": 2, "method.children": "redraw"},
    "best_of_n": {},
    "smc": {"method.temperature": 0.5, "method.ess_threshold": 1.0},
    "svdd": {"method.paths": 2, "method.children": "region"},
    "code": {"method.block": 2},
    "sop": {"method.paths": 1, "method.forward": 1, "method.backward": 2},
    "threshold": {"method.threshold": 0.5},  # above the best possible: never reached
    "zero_order": {"method.neighbours": 2},
    "regional": {"method.at_once": 2, "method.starts": 3},
    "regional_paths": {"method.forward": 2, "method.starts": 3},
}
METHODS = {name: SMALL.get(name, {}) for name in SEARCHES}
