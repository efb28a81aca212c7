"""The events and reports of fixed searches, in one file that the tests of the panel read.

`python dev.py write events` writes it anew.
"""

import importlib
import itertools
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from pack.samplers.lineage import Book
from pack.samplers.purse import Purse
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.smc import SMC

from ..samplers.traced import World

ROOT = Path(__file__).resolve().parents[2]
WORLD = {"steps": 5, "lead": 0, "inner": 0, "ahead": 0, "cost": 1}
RBF = RolloverBudgetForcing(init_particles=3, paths=2)
SEARCHES = {  # method, world, budget
    "rbf": (RBF, World(**WORLD, family="continuous", seed=11), 40),
    "smc": (SMC(), World(**WORLD, family="normal", seed=5), 24),
    "best_of_n": (BestOfN(), World(**WORLD, family="failures", seed=4), 20),
    "automatic": (RolloverBudgetForcing(), World(**WORLD, family="ties", seed=2), 24),
}


NAMES = ("events", "report")
PACE = 0.25  # seconds that one evaluation takes


class Paced:
    """A purse whose seconds are those of its evaluations."""

    def __init__(self, purse):
        self.purse, self.total = purse, purse.total

    nfe = property(lambda self: self.purse.nfe)
    elapsed = property(lambda self: PACE * self.nfe)


@pytest.fixture
def parts(monkeypatch):
    """events.py and report.py of nodes/show/ without the host, and the messages they send."""
    sent = []

    def send_sync(event, data, sid):
        sent.append({"event": event, "data": json.loads(json.dumps(data, allow_nan=False))})

    instance = SimpleNamespace(client_id="browser", send_sync=send_sync)
    host = SimpleNamespace(PromptServer=SimpleNamespace(instance=instance))
    monkeypatch.setitem(sys.modules, "server", host)
    package = ModuleType("pack.nodes")
    package.__path__ = [str(ROOT / "nodes")]
    monkeypatch.setitem(sys.modules, "pack.nodes", package)
    names = [name for name in sys.modules if name.startswith("pack.nodes.")]
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    events, report = (importlib.import_module(f"pack.nodes.show.{n}") for n in NAMES)
    yield events, report, sent
    for name in NAMES:
        del sys.modules[f"pack.nodes.show.{name}"]


def messages_and_report(parts, name):
    """The messages that a client gets of one search, and its report."""
    events, reports, sent = parts
    search, world, budget = SEARCHES[name]
    ticks = itertools.count(1)
    sender = events.Sender("22:9", "prompt-1", "workflow-1")
    task, outcome = world.task(budget), Outcome()
    out = events.Events(sender, Paced(task.purse), clock=lambda: 0.04 * next(ticks))
    book = Book()
    task.on_made = book.add
    trace = reports.Trace([*world.times, 0.0], failed=task.failed)
    out.start(name, trace.times)
    chosen = {}

    def settled(settled):
        chosen.update(settled.chosen)
        if chosen:
            out.choose(chosen)

    for event in run(search, task, Finish(2, 2), StopRules(), outcome, book.root, settled):
        rows = trace.add(event)
        for row in rows if event.kind in ("accept", "exhaust", "finish") else []:
            out.show(row["id"], lambda i=row["id"]: {"id": i, "jpeg": "/9j/2Q==", "file": None})
        out.send(event.kind, rows)
    best, root = int(outcome.top[0].ids), book.root
    out.show(best, lambda: {"id": best, "jpeg": "/9j/2Q==", "file": None})
    top = [int(particle.ids) for particle in outcome.top]
    if chosen:
        out.plain = {"reward": -1.5, "jpeg": "/9j/2Q==", "file": None}
    out.done([], outcome.stopped, best, root(best), top)
    limits = {"nfe": budget, "seconds": None, "target_reward": None}
    made = reports.report(name, 7, {}, limits, task.purse, trace, outcome)
    reports.describe_winners(made, root)
    made |= {"chosen": chosen, "plain": {"reward": -1.5, "nfe": 0}} if chosen else {}
    made["spent"]["seconds"] = {"total": PACE * task.purse.nfe}
    messages, sent[:] = list(sent), []
    return {"messages": messages, "report": made}


def as_text(stream):
    """The JSON of one search, a message a line."""
    messages = ",\n  ".join(json.dumps(message) for message in stream["messages"])
    return f'{{"messages": [\n  {messages}\n ],\n "report": {json.dumps(stream["report"])}}}'


def test_the_golden_file_is_what_the_code_sends(parts, generated):
    streams = (f' "{name}": {as_text(messages_and_report(parts, name))}' for name in SEARCHES)
    generated("tests/web/golden_events.json", "{\n" + ",\n".join(streams) + "\n}\n")


def test_messages_bundle_proposals_and_images(parts):
    """Proposals at most once per 0.1 s, images at most once per 0.25 s, and no row is lost."""
    events, _, sent = parts
    now = [0.0]
    purse = Purse(1000)
    out = events.Events(events.Sender("1"), purse, clock=lambda: now[0])
    made = []
    for i in range(1000):
        now[0] = 10 + i / 1000
        out.show(i, lambda i=i: made.append(i) or {"id": i})
        purse.nfe = i
        out.send("propose", [{"id": i}])
    out.done([], "budget", 999, 0, [999])
    messages = [message["data"] for message in sent]
    assert len(messages) == 11
    assert [row["id"] for m in messages for row in m["rows"]] == list(range(1000))
    with_pictures = [m for m in messages if "pictures" in m]
    assert len(with_pictures) <= 5
    assert all(len(m["pictures"]) <= events.WAITING for m in with_pictures)
    assert made[-1] == 999 and len(made) <= 20


def test_a_long_round_says_once_a_second_what_is_spent(parts):
    events, _, sent = parts
    now = [0.0]
    purse = Purse(100)
    out = events.Events(events.Sender("1"), purse, clock=lambda: now[0])
    out.start("rbf", [1.0, 0.0])
    for i in range(1, 36):
        now[0], purse.nfe = i / 10, i
        out.advance()
    progress = [message["data"] for message in sent[1:]]
    assert [(m["kind"], m["spent"], m["rows"]) for m in progress] == [
        ("progress", nfe, []) for nfe in (10, 20, 30)
    ]


def test_workers_are_reported_once_a_second_and_at_the_end(parts):
    events, _, sent = parts
    now = [0.0]
    out = events.Events(events.Sender("1"), Purse(100), clock=lambda: now[0])
    out.workers = lambda: {"discarded": 0, "each": [], "at": now[0]}
    for i in range(26):
        now[0] = i / 10
        out.send("accept", [])
    out.done([], "budget", 0, 0, [0])
    times = [m["data"]["workers"]["at"] for m in sent if "workers" in m["data"]]
    assert len(sent) == 27 and times == [0.0, 1.0, 2.0, 2.5]
    out.workers = {}.popitem  # a panel that fails ends no search
    out.done([], "budget", 0, 0, [0])
    assert len(sent) == 28 and "workers" not in sent[-1]["data"]


def test_workers_of_a_search_that_was_cancelled_are_not_reported_as_lost(parts):
    events, _, sent = parts
    out = events.Events(events.Sender("1"), Purse(100))
    out.workers = lambda: {"discarded": 0, "each": []}
    out.unfinished([])
    assert [m["data"]["kind"] for m in sent] == ["unfinished"]
    assert "workers" not in sent[0]["data"]
