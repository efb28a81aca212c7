"""Reports of real searches, and how to spoil one."""

import contextlib
import copy
import json
import signal
from pathlib import Path

from pack.samplers.lineage import entries

GOLDEN = json.loads(
    (Path(__file__).resolve().parents[1] / "web" / "golden_events.json").read_text("utf-8")
)
# Kept out of json.dumps, which would not write them.
MARKS = {
    "@deep@": "[" * 100_000 + "]" * 100_000,
    "@open@": "[" * 100_000,
    "@objects@": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "@digits@": "9" * 100_000,
    "@half@": '"\\ud800"',
    "@infinity@": "1e999",
}
NASTY = (
    None, True, False, "", "x", "NaN", "é\0\n", "x" * 100_000, "x" * 2_000_000, -1, 0, 1, 2, 3, 7,
    10**4, 2**31, 2**63, 2**64, 10**30, -(10**30), 0.5, -0.5, 1.5, 1e300, 1e308, -1e308,
    float("nan"), float("inf"), -float("inf"), [], {}, [[]], {"a": 1}, [0] * 1000, [None],
    [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]], {"id": 0}, *MARKS,
)  # fmt: skip


def reported(report, method, setup, lineage=True):
    """The report of a search of tests/samplers on its setup."""
    events, outcome, task = setup.run()
    times = [*task.flow.lead, *task.times, task.flow.end]
    trace = report.Trace(times, failed=task.failed)
    trace.walk(task.times)
    for event in events:
        trace.add(event)
    limits = {"nfe": setup.total, "seconds": None, "target_reward": None}
    made = report.report(method, 7, {"prompt": "a"}, limits, task.purse, trace, outcome)
    if lineage:
        made["lineage"] = entries(task.book.lineage(made["best"]["id"]))
    return made


def places(value, way=()):
    """The ways to all that a value holds, the first two entries of a list alone."""
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = list(enumerate(value))[:2] + list(enumerate(value))[2:][-1:]
    else:
        return
    for key, one in inner:
        yield (*way, key)
        yield from places(one, (*way, key))


def changed(report, way, change):
    """A copy in which `change(holder, key)` was done at a place."""
    report = copy.deepcopy(report)
    holder = report
    for key in way[:-1]:
        holder = holder[key]
    change(holder, way[-1])
    return report


def put(value):
    def change(holder, key):
        holder[key] = value

    return change


def lose(holder, key):
    del holder[key]


def repeat(holder, key):
    """An entry of a list twice, one of an object under a second name."""
    if isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[f"{key}@again@"] = holder[key]


def text(report):
    """JSON, also of what JSON has not."""
    written = json.dumps(report)
    for mark, what in MARKS.items():
        written = written.replace(f'"{mark}"', what)
    return written.replace("@again@", "")


@contextlib.contextmanager
def within(seconds):
    """Raise TimeoutError where what is inside takes longer (where there are signals)."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def late(*_):
        raise TimeoutError(f"more than {seconds} s")

    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
