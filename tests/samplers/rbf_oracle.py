"""Rollover Budget Forcing as the reference keeps its books, in plain numbers.

One list entry a path and no latents, so the two implementations share no code and no idea but the
rule. `reward(path, ordinal)` is the reward of the ordinal-th row a path asks for, the starting
noises first. A failed row (NaN, minus infinity) is worse than any other, and the earlier of two
equals is kept. The reference divides by its quota: a quota of 0 raises ZeroDivisionError here too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    index: int
    path: int
    step: int
    parent: int | None
    reward: float
    move: str  # born, stay, roll, exhaust
    moved_to: int | None
    quota: int
    nfe: int


def automatic_quota(limit: int, init: int, paths: int, steps: int) -> int:
    return int((limit - init * paths) / (steps * paths))


def reference(
    reward: Callable[[int, int], float],
    limit: int,
    init: int,
    paths: int,
    steps: int,
    quota: int | None = None,
) -> list[Row]:
    fresh = automatic_quota(limit, init, paths, steps) if quota is None else quota
    if init * paths >= limit:
        raise AssertionError("the starting noises leave nothing to search with")
    rows: list[Row] = []
    asked = [0] * paths

    def ask(path: int) -> float:
        value = reward(path, asked[path])
        asked[path] += 1
        return value if math.isfinite(value) else -math.inf

    here, record = [0] * paths, [0.0] * paths
    for path in range(paths):
        first = len(rows)
        for _ in range(init):
            index = len(rows)
            rows.append(Row(index, path, 0, None, ask(path), "born", None, fresh, index + 1))
        best = first
        for index in range(first, len(rows)):
            if rows[index].reward > rows[best].reward:
                best = index
        here[path], record[path] = best, rows[best].reward

    allowance, child, step = [fresh] * paths, [1] * paths, [0] * paths
    kept: list[int | None] = [None] * paths
    kept_reward = [-math.inf] * paths
    spent = init * paths
    while spent + paths < limit:
        spent += paths
        first = len(rows)
        for path in range(paths):
            index, value = first + path, ask(path)
            may_go = step[path] < steps - 2
            rolled = record[path] < value
            if kept[path] is None or kept_reward[path] < value:
                kept[path], kept_reward[path] = index, value
            used_up = child[path] % allowance[path] == 0 and not rolled and may_go
            parent, at, target = here[path], step[path] + 1, None
            if rolled:
                record[path] = value
            if rolled and may_go:
                target = index
                allowance[path] = allowance[path] - child[path] + fresh
            elif used_up:
                target = kept[path]
                allowance[path] = fresh
            if target is not None:
                here[path], step[path], child[path] = target, step[path] + 1, 0
                kept[path], kept_reward[path] = None, -math.inf
            child[path] += 1
            move = "roll" if rolled else "exhaust" if used_up else "stay"
            rows.append(
                Row(index, path, at, parent, value, move, target, allowance[path], first + path + 1)
            )
    return rows


def best_of_current_step(rows: list[Row], paths: int) -> int | None:
    """What the reference returns: the best child of the steps its paths stand on at the end."""
    kept: dict[int, Row] = {}
    for row in rows:
        if row.moved_to is not None:
            kept.pop(row.path, None)
        elif row.move != "born" and (row.path not in kept or kept[row.path].reward < row.reward):
            kept[row.path] = row
    standing = [kept[path] for path in range(paths) if path in kept]
    return max(standing, key=lambda row: row.reward).index if standing else None
