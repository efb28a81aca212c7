"""What one search has done so far, and the report about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...rewards import maximum_of
from ...samplers.batching import MicroBatch
from ...samplers.lineage import Book, entries
from ...samplers.purse import Purse
from ...samplers.rules import Outcome
from ..host.guard import guard
from ..show.report import Trace, describe_winners, report
from .plan import Job, Plan


@dataclass
class Record:
    """What one search has done so far.

    Args:
        plan: of the node.
        job: this search.
        purse: what it spends.
        batch: how many rows go through the network together.
        trace: the rows of its report.
        book: how its particles came about.
        outcome: its best particles and why it stopped.
        warnings: lines of the report.
        watchdog: what a watchdog spends.
        logged: tasks whose failure is already in the log.
        chosen: what automatic settings came to, and why.
        plain: the report's entry of the plain sampler's image.
        by_workers: entries of `spent` about workers; empty without workers.
        devices: what each worker did.
    """

    plan: Plan
    job: Job
    purse: Purse
    batch: MicroBatch
    trace: Trace
    book: Book = field(default_factory=Book)
    outcome: Outcome = field(default_factory=Outcome)
    warnings: list[str] = field(default_factory=list)
    watchdog: Purse | None = None
    logged: set[str] = field(default_factory=set)
    chosen: dict[str, Any] = field(default_factory=dict)
    plain: dict[str, Any] = field(default_factory=dict)
    by_workers: dict[str, int] = field(default_factory=dict)
    devices: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.maximum = maximum_of(self.plan.inputs.reward)
        self.warnings += self.job.warnings

    def report(self, outcome: Outcome | None = None) -> dict[str, Any]:
        """The report, JSON-ready.

        Args:
            outcome: what to report as the result; None: the search's own.
        """
        plan, rules = self.plan, self.job.rules
        budget = {
            "nfe": plan.inputs.budget, "seconds": rules.seconds, "target_reward": rules.target
        }  # fmt: skip
        made = report(
            plan.method.name,
            plan.inputs.noise.seed,
            dict(plan.entries),
            budget,
            self.purse,
            self.trace,
            outcome or self.outcome,
            self.watchdog,
        )
        made["spent"] |= {
            "micro_batch": self.batch.size, "lookahead": self.outcome.lookahead
        }  # fmt: skip
        if self.by_workers:
            made["spent"] |= self.by_workers
            made["devices"] = self.devices
        if plan.second:
            by_model = {name: self.purse.by_model[name] for name in plan.guiders}
            made["spent"]["nfe_by_model"] = by_model
        describe_winners(made, self.book.root)
        made |= {"chosen": self.chosen} if self.chosen else {}
        made |= {"plain": self.plain} if self.plain else {}
        if self.job.plain_again:  # so that a replay of this report is one of the plain image, too
            best = made["best"]
            made["plain"] = {"reward": best["reward"], "nfe": self.purse.nfe, "id": best["id"]}
        made |= {"image": self.job.image} if self.job.image else {}
        made |= {} if self.maximum is None else {"maximum": self.maximum}
        made |= self.job.made_with
        made |= {"warnings": self.warnings} if self.warnings else {}
        with guard("report how the best particle came about", self.logged):
            made["lineage"] = entries(self.book.lineage(made["best"]["id"]))
        return made
