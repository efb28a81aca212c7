"""The search methods as their papers decide, in plain numbers: no latents, no tensors.

Each oracle fills a Book: which particle is drawn from which, what is spent and what is reported.
It shares no code with the methods, only the order in which particles are numbered, for the number
of a particle is the address of its noise. `reward(id)` may be NaN or infinite: a failed particle,
worse than any other. Of equals the earlier one is taken.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One particle. `reward` is None where nobody asked for it."""

    id: int
    parent: int
    path: int
    step: int
    reward: float | None
    value: float  # what its latent holds: see traced.py


@dataclass
class Book:
    """Rows to spend, what a row costs, and what has happened so far."""

    budget: int
    steps: int
    birth: int = 1
    child: int = 1
    score: int = 0
    reward: Callable[[int], float] = float
    uniform: Callable[[int, int], list[float]] | None = None
    times: list[float] = field(default_factory=list)
    spent: int = 0
    next: int = 0
    rows: list[Row] = field(default_factory=list)
    events: list[tuple] = field(default_factory=list)

    @property
    def left(self) -> int:
        return self.budget - self.spent

    def draw(self, parent, path=0, scored=True, value=None, price=None) -> Row:
        """A child of `parent`, or a newborn of None; numbered in the order of drawing."""
        new, self.next = self.next, self.next + 1
        step = 0 if parent is None else parent.step + 1
        reward = None
        if scored:
            reward = self.reward(new)
            reward = reward if math.isfinite(reward) else -math.inf
        before = self.birth if parent is None else self.child
        self.spent += (before if price is None else price) + (self.score if scored else 0)
        row = Row(
            new,
            -1 if parent is None else parent.id,
            path if parent is None else parent.path,
            step,
            reward,
            float(new) if value is None else value,
        )
        self.rows.append(row)
        return row

    def tell(self, kind, rows, quota=None, log_w=None) -> None:
        self.events.append((kind, self.spent, tuple(row.id for row in rows), quota, log_w))

    def uniforms(self, n) -> list[float]:
        new, self.next = self.next, self.next + 1
        return self.uniform(new, n)

    def walk(self, rows, last) -> list[Row]:
        """All rows down to step `last` together, only the last scored."""
        while rows[0].step < last:
            rows = [self.draw(row, scored=row.step + 1 == last) for row in rows]
        return rows


def first_best(rows):
    best = rows[0]
    for row in rows:
        if row.reward > best.reward:
            best = row
    return best


def spread(rows, prices, paths):
    """Children per path and round: everyone one more as often as that can be paid, then whoever."""
    counts = [0] * len(prices)
    while paths * sum(prices) <= rows:
        rows -= paths * sum(prices)
        counts = [n + 1 for n in counts]
    while paths * min(prices) <= rows:
        for i, price in enumerate(prices):
            if paths * price <= rows:
                rows -= paths * price
                counts[i] += 1
    return counts


def best_of_n(book):
    record = -math.inf
    price = book.birth + (book.steps - 1) * book.child + book.score
    while book.left >= price:
        n = min(8, book.left // price)
        rows = [book.draw(None, scored=book.steps == 1) for _ in range(n)]
        rows = book.walk(rows, book.steps - 1)
        book.tell("born" if book.steps == 1 else "propose", rows)
        if first_best(rows).reward > record:
            record = first_best(rows).reward
            book.tell("accept", [first_best(rows)])


def zero_order(book, neighbours, radius, starts):
    price = book.birth + (book.steps - 1) * book.child + book.score
    starts = starts or max(1, book.left // price // 4)
    best, pivot = None, 0.0
    while book.left >= price:
        first = starts > 0
        n, noises, rows = min(min(8, starts) if first else neighbours, book.left // price), [], []
        starts -= n
        for _ in range(n):
            own = float(book.next)
            if not first:
                own = math.sqrt(1 - radius**2) * pivot + radius * own
            row = book.draw(None, scored=book.steps == 1, value=own)
            if not first:
                row = Row(row.id, best.id, 0, 0, row.reward, own)
                book.rows[-1] = row
            noises.append(own)
            rows.append(row)
        rows = book.walk(rows, book.steps - 1)
        book.tell("born" if book.steps == 1 else "propose", rows)
        top = first_best(rows)
        if best is None or top.reward >= best.reward:
            best, pivot = top, noises[rows.index(top)]
            book.tell("accept", [best])


def svdd(book, paths, alpha):
    prices = [book.birth + book.score] + [book.child + book.score] * (book.steps - 1)
    parents = [None] * paths
    for step, n in enumerate(spread(book.budget, prices, paths)):
        broods = [[book.draw(parents[p], p) for _ in range(n)] for p in range(paths)]
        book.tell("propose" if step else "born", sum(broods, []))
        u = book.uniforms(paths) if alpha and n > 1 else [0.0] * paths
        parents = [
            first_best(own) if not alpha else chance(own, alpha, u[p])
            for p, own in enumerate(broods)
        ]
        book.tell("accept", parents)


def chance(rows, alpha, u):
    """A row with probability exp(r/alpha)/sum; the first if all failed."""
    top = max(row.reward for row in rows)
    if top == -math.inf:
        return rows[0]
    weights = [math.exp((row.reward - top) / alpha) for row in rows]
    point, i = u * math.fsum(weights), 0
    while point >= weights[i] and any(weights[i + 1 :]):
        point -= weights[i]
        i += 1
    return rows[i]


def code(book, block, paths):
    ends = [*range(block - 1, book.steps - 1, block), book.steps - 1]
    prices, at = [], -1
    for end in ends:
        prices.append((end - at) * book.child + book.score)
        at = end
    prices[0] += book.birth - book.child
    parents = [None] * paths
    for i, n in enumerate(spread(book.budget, prices, paths)):
        rows = []
        for p in range(paths):
            for _ in range(n):
                first = 0 if i == 0 else parents[p].step + 1
                rows.append(book.draw(parents[p], p, scored=first == ends[i]))
        rows = book.walk(rows, ends[i])
        book.tell("propose" if ends[i] else "born", rows)
        parents = [first_best(rows[p * n : (p + 1) * n]) for p in range(paths)]
        book.tell("accept", parents)


def sop(book, paths, forward, backward):
    """Every move is one row: births apart, all go by the ODE or by re-noising."""
    last = book.steps - 1
    book.child = 1
    legs = [(0, min(backward, last))]
    while legs[-1][1] < last:
        top = legs[-1][1] - forward
        legs.append((top, min(top + backward, last)))
    prices = [bottom - top + 1 + book.score for top, bottom in legs]
    prices[0] += book.birth - 1
    counts, rows = spread(book.left, prices, paths), []
    starts = [p for p in range(paths) for _ in range(counts[0])]
    for first in range(0, len(starts), 8):
        wave = [book.draw(None, p, scored=legs[0][1] == 0) for p in starts[first : first + 8]]
        for step in range(1, legs[0][1] + 1):
            scored = step == legs[0][1]
            wave = [book.draw(row, scored=scored, value=row.value) for row in wave]
        book.tell("propose" if legs[0][1] else "born", wave)
        rows += wave
    parents = [first_best([r for r in rows if r.path == p]) for p in range(paths)]
    book.tell("accept", parents)
    for (top, bottom), n in zip(legs[1:], counts[1:], strict=True):
        rows = []
        for row in parents:
            for _ in range(n):
                high, low = book.times[top], book.times[row.step]
                kept = (1 - high) / (1 - low)
                std = math.sqrt(high**2 - (kept * low) ** 2)
                value = kept * row.value + std * book.next
                up = book.draw(row, scored=False, value=value)
                rows.append(Row(up.id, row.id, row.path, top, None, value))
                book.rows[-1] = rows[-1]
        for step in range(top + 1, bottom + 1):
            rows = [book.draw(row, scored=step == bottom, value=row.value) for row in rows]
        book.tell("propose", rows)
        parents = [first_best([r for r in rows if r.path == p]) for p in range(paths)]
        book.tell("accept", parents)


def threshold(book, wanted):
    parent, each = None, book.child + book.score
    for step in range(book.steps):
        best, kept = None, (book.steps - 1 - step) * each
        price = each if step else book.birth + book.score
        tried, most = 0, max(1, math.floor(book.left / (price * (book.steps - step))))
        while tried < most and book.left - kept >= price:
            row, tried = book.draw(parent), tried + 1
            book.tell("propose" if step else "born", [row])
            best = row if best is None else first_best([best, row])
            if row.reward >= wanted:
                break
        parent = best
        book.tell("accept", [parent])
    if parent.reward >= wanted:
        book.tell("done", [parent])


def smc(book, lam, linear, share, scheme):
    last = book.steps - 1
    n = book.budget // (book.birth + book.score + last * (book.child + book.score))

    def potential(row):
        return row.reward / lam * ((row.step + 1) / book.steps if linear else 1.0)

    rows = [book.draw(None) for _ in range(n)]
    log_w = [potential(row) for row in rows]
    book.tell("born", rows, log_w=tuple(log_w))
    while rows[0].step < last:
        top = max(log_w)
        if top > -math.inf:
            w = [math.exp(value - top) for value in log_w]
            if math.fsum(w) ** 2 / math.fsum(v * v for v in w) < share * n:
                rows = [rows[i] for i in survivors(w, scheme, book.uniforms(n))]
                log_w = [0.0] * n
                book.tell("resample", rows, log_w=tuple(log_w))
        children = [book.draw(row) for row in rows]
        for i, (row, child) in enumerate(zip(rows, children, strict=True)):
            lost = -math.inf in (row.reward, child.reward, log_w[i])
            log_w[i] = -math.inf if lost else log_w[i] + potential(child) - potential(row)
        rows = children
        book.tell("propose", rows, log_w=tuple(log_w))
    book.tell("accept", [first_best(rows)])


def survivors(w, scheme, u):
    """Each point of [0, 1) falls into the share of one particle."""
    n, total = len(u), math.fsum(w)
    if scheme == "residual":
        return leftover([n * value / total for value in w], u)
    points = {
        "multinomial": u,
        "systematic": [(j + u[0]) / n for j in range(n)],
        "stratified": [(j + u[j]) / n for j in range(n)],
    }[scheme]
    chosen = []
    for point in points:
        i, upto = 0, w[0]
        while point * total >= upto:
            i += 1
            upto += w[i]
        chosen.append(i)
    return chosen


def leftover(shares, u):
    """Whole copies of each, then draws from what is left of the shares; in order."""
    whole = [math.floor(share + 1e-9) for share in shares]
    rest = [max(0.0, share - n) for share, n in zip(shares, whole, strict=True)]
    chosen = [i for i, n in enumerate(whole) for _ in range(n)]
    for point in u[: len(u) - len(chosen)]:
        i, upto = 0, rest[0]
        while point * math.fsum(rest) >= upto:
            i += 1
            upto += rest[i]
        chosen.append(i)
    return sorted(chosen)


def rbf(book, init, paths, quota, chunk):
    """Children `chunk` at a time: behind the one moved to the rest counts as tried."""
    last, step_price = book.steps - 1, book.child + book.score
    free = book.budget - init * paths * (book.birth + book.score)
    fresh = quota or max(1, free // (book.steps * paths * step_price))
    of_paths, starts = [p for p in range(paths) for _ in range(init)], []
    while wave := of_paths[len(starts) : len(starts) + 8]:
        starts += (rows := [book.draw(None, p) for p in wave])
        book.tell("born", rows)
    here = [first_best(starts[p * init : (p + 1) * init]) for p in range(paths)]
    for row in here:
        book.tell("accept", [row], fresh)
    while not last and (n := min(init * paths, book.left // (book.birth + book.score))):
        book.tell("born", [book.draw(None, i // init) for i in range(n)])
    record = [row.reward for row in here]
    allowed, tried, kept = [fresh] * paths, [0] * paths, [None] * paths
    # Dealt out like cards: the first paths may have one more than the others.
    hand = [0] * paths
    for card in range(book.left // step_price):
        hand[card % paths] += 1
    while last and sum(hand) > 0:
        chunks = []
        for p in range(paths):
            at_end = here[p].step == last - 1
            chunks.append(min([chunk, hand[p]] + ([] if at_end else [allowed[p] - tried[p]])))
            hand[p] -= chunks[p]
        drawn = [[book.draw(here[p]) for _ in range(n)] for p, n in enumerate(chunks)]
        book.tell("propose", sum(drawn, []))
        for p, rows in enumerate(drawn):
            tried[p] += len(rows)
            at_end, moved = here[p].step == last - 1, False
            for row in rows:
                if kept[p] is None or row.reward > kept[p].reward:
                    kept[p] = row
                if row.reward > record[p]:
                    record[p] = row.reward
                    if not at_end:
                        moved, here[p] = True, row
                        allowed[p], tried[p], kept[p] = allowed[p] - tried[p] + fresh, 0, None
                    book.tell("accept", [row], allowed[p])
                    if moved:
                        break
            if not moved and not at_end and rows and tried[p] == allowed[p]:
                here[p], allowed[p], tried[p], kept[p] = kept[p], fresh, 0, None
                book.tell("exhaust", [here[p]], fresh)


ORACLES = {
    "best_of_n": best_of_n,
    "zero_order": zero_order,
    "svdd": svdd,
    "code": code,
    "sop": sop,
    "threshold": threshold,
    "smc": smc,
    "rbf": rbf,
}
