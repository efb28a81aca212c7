"""How much sooner workers end a search, by the model of docs/workers.md."""

TRACES = {1: 1.0, 2: 1.87, 4: 3.48, 8: 6.16}  # of RBF: what six traces of the demo model allow
TRIP, TURN = 0.015, 0.004  # seconds: of a job's way there and back, and of the search for each


def on_paper(workers: int, seconds: float, rbf: bool) -> float:
    """How many times as fast as one worker a search with a particle for each worker should be.

    Args:
        workers: how many.
        seconds: that a particle takes.
        rbf: whether the method is RBF.
    """
    if rbf:
        return TRACES[workers]
    return workers * (seconds + TRIP + TURN) / (seconds + TRIP + TURN * workers)
