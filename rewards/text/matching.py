"""Which lines of an image are which text of the prompt, at the least cost.

The lines are in reading order. A text may be broken over several lines, one after the other. So

    least(j, S) = min of  least(j - 1, S) + extra(j),
                          least(k, S - t) + cost(t, k..j)  over texts t in S and k < j,

with S the texts that are found so far. A text that is nowhere costs its own share.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Spans = Mapping[tuple[int, int, int], float]


class Matching(NamedTuple):
    """The cheapest matching.

    Args:
        cost: its cost.
        spans: for each text that is found, its lines: {text: (first, behind the last)}.
    """

    cost: float
    spans: dict[int, tuple[int, int]]


def match(extra: Sequence[float], missing: Sequence[float], spans: Spans) -> Matching:
    """Match texts with lines.

    Args:
        extra: what each line costs that is no text.
        missing: what each text costs that is nowhere.
        spans: what a text costs at some lines: {(text, first, behind the last): cost}.
    """
    ending: dict[int, list[tuple[int, int, float]]] = {}
    for (text, first, behind), cost in spans.items():
        ending.setdefault(behind, []).append((text, first, cost))
    # By number of lines: by set of texts, as bits: the least cost and the way there.
    best: list[dict[int, Matching]] = [{0: Matching(0.0, {})}]
    for j in range(1, len(extra) + 1):
        sets = {s: Matching(m.cost + extra[j - 1], m.spans) for s, m in best[-1].items()}
        for text, first, cost in ending.get(j, ()):
            for before, m in best[first].items():
                after, total = before | 1 << text, m.cost + cost
                if after != before and (after not in sets or total < sets[after].cost):
                    sets[after] = Matching(total, {**m.spans, text: (first, j)})
        best.append(sets)
    lacking = (
        m._replace(cost=m.cost + sum(c for t, c in enumerate(missing) if not s & 1 << t))
        for s, m in best[-1].items()
    )
    return min(lacking, key=lambda m: m.cost)


def edits(text: str, read: str, inside: bool = False) -> list[list[int]]:
    """The edit distance of each pair of beginnings of two texts (Levenshtein).

    Args:
        text: the text that should be there.
        read: the text that is there.
        inside: whether letters before the text cost nothing.
    """
    table = [[0 if inside else j for j in range(len(read) + 1)]]
    for i, letter in enumerate(text, 1):
        row = [i]
        for j, letter_read in enumerate(read, 1):
            change = table[-1][j - 1] + (letter != letter_read)
            row.append(min(change, table[-1][j] + 1, row[-1] + 1))
        table.append(row)
    return table


def distance(text: str, read: str, inside: bool = False) -> int:
    """The edit distance of two texts.

    Args:
        text: the text that should be there.
        read: the text that is there.
        inside: whether letters before and behind the text cost nothing.
    """
    last = edits(text, read, inside)[-1]
    return min(last) if inside else last[-1]


def wrong_letters(text: str, read: str, inside: bool = False) -> tuple[list[int], list[int]]:
    """Which letters of `read` are wrong or too many, and before which of them one lacks.

    Args:
        text: the text that should be there.
        read: the text that is there.
        inside: whether letters before and behind the text cost nothing.
    """
    table = edits(text, read, inside)
    i, j = len(text), table[-1].index(min(table[-1])) if inside else len(read)
    wrong, lacking = [], []
    while i or (j and not inside):
        change = bool(i and j) and text[i - 1] != read[j - 1]
        if i and j and table[i][j] == table[i - 1][j - 1] + change:
            i, j = i - 1, j - 1
            wrong += [j] if change else []
        elif j and table[i][j] == table[i][j - 1] + 1:
            j -= 1
            wrong.append(j)
        else:
            i -= 1
            lacking.append(j)
    return wrong[::-1], lacking[::-1]
