"""Random noises first: what the methods share that climb from the best of some starts."""

QUARTER = 4  # of what the budget buys, one in so many is a random start
STARTS = {
    "min": 0,
    "max": 1000,
    "tooltip": "Random noises tried first; the best one is kept. 0 is a quarter of what the "
    "budget buys.",
}


def random_starts(starts: int, affordable: int) -> int:
    """How many random noises come first.

    Args:
        starts: the setting; 0 is a quarter of what is affordable.
        affordable: trajectories that the budget buys.
    """
    return starts or max(1, affordable // QUARTER)
