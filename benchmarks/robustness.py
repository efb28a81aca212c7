"""Long runs, cancels and bad prompts: python benchmarks/robustness.py --write [fuzz cancel …]

`memory`: a search by a device that has too little memory and that runs out of it at random points,
against the same search without. `growth`: many searches in one server. `cancel`: searches cancelled
at random moments, each followed by another prompt. `fuzz`: random prompts. Needs COMFYUI_PATH and
the environment of `python dev.py test`; the figures are in benchmarks/robustness.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]
import overhead  # noqa: E402
from page import put  # noqa: E402

from tests.host import endurance, fuzz  # noqa: E402

ROOT = overhead.ROOT
PAGE = ROOT / "benchmarks" / "robustness.md"
MB = 1 << 20


class Host(overhead.Host):
    """A running server, as the tests' helpers want it."""

    def probe(self, prompt: dict) -> dict:
        number = self.client.queue(prompt)
        entry = fuzz.ended(self.client, number, 300)
        return json.loads(entry["outputs"]["probe"]["probe"][0])


@contextlib.contextmanager
def server() -> Iterator[tuple[Host, Path]]:
    """A server with the pack and the tests' probes, and its folder."""
    dev = overhead.load("flow_search_dev", ROOT / "dev.py")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        for name in ("custom_nodes", "models", "input", "output", "user"):
            (base / name).mkdir()
        dev.serving.link(ROOT / "tests" / "host" / "probe", base / "custom_nodes" / "probe")
        with overhead.host(base, "cpu") as running:
            yield Host(running.client.url), base


def table(heads: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def of_fuzz(count: int, seed: int) -> str:
    """How `count` random prompts end."""
    ends: list[fuzz.End] = []
    with server() as (host, base), open(base.with_suffix(".prompts"), "w") as trail:
        print(f"every prompt is in {trail.name}", flush=True)
        made = fuzz.Fuzzer(host.client.get("/object_info"), random.Random(seed))
        begin = time.perf_counter()
        for i in range(count):
            prompt = made.prompt()
            print(i, json.dumps(prompt), file=trail, flush=True)
            ends.append(end := fuzz.run(host.client, prompt))
            if not end.clear:
                print(i, end, json.dumps(prompt), flush=True)
            if end.kind == "hang":
                break
        seconds = time.perf_counter() - begin
        after = fuzz.run(host.client, made.bases[0], 120)
        traces = (base / "log").read_text().count("Traceback")
    kinds = Counter(end.kind for end in ends)
    own = [e for e in ends if e.kind == "error" and e.node.startswith(fuzz.OWN)]
    rows = [(kind, kinds[kind]) for kind in ("result", "refused", "error", "cancelled", "hang")]
    said = len({end.text for end in own})
    return "\n\n".join([
        f"{len(ends)} prompts of seed {seed} in {seconds:.0f} s; a usual prompt after them: "
        f"{after.kind}.",
        table(("end", "prompts"), rows),
        f"Errors of the pack's own nodes: {len(own)}, {said} different sentences; not one clear "
        f"sentence: {sum(not end.clear for end in ends)}. Stack traces in the server's log (the "
        f"host prints one for every error of a node): {traces}.",
    ])  # fmt: skip


def of_cancel(count: int, seed: int) -> str:
    """How searches end that are cancelled, and the prompts after them."""
    rng = random.Random(seed)
    ends: Counter[str] = Counter()
    after: Counter[str] = Counter()
    slowest = 0.0
    with server() as (host, _):
        endurance.search_once(host.client, 0)  # loads the models
        for i in range(count):
            begin = time.perf_counter()
            end, then = endurance.cancel_at(host.client, rng.uniform(0.0, 2.0), i + 1)
            slowest = max(slowest, time.perf_counter() - begin)
            ends[end.kind] += 1
            after[then.kind] += 1
            if then.kind != "result":
                print(i, end, then)
    rows = [(kind, ends[kind], after[kind]) for kind in sorted({*ends, *after})]
    return "\n\n".join([
        f"{count} searches, each cancelled after a time drawn evenly from 0 to 2 s (seed {seed}); "
        f"the slowest with its wait, its end and the prompt after it took {slowest:.1f} s.",
        table(("end", "cancelled searches", "prompts after them"), rows),
    ])  # fmt: skip


def resident(pid: int) -> int:
    """Bytes of the process in memory."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def of_growth(count: int, seed: int) -> str:
    """What the server holds after more and more searches."""
    rows, held = [], []
    with server() as (host, base):
        pid = next(
            int(p.name)
            for p in Path("/proc").iterdir()
            if p.name.isdigit() and str(base).encode() in (p / "cmdline").read_bytes()
            and (p / "stat").read_text().rsplit(") ", 1)[1].split()[1] == str(os.getpid())
        )  # fmt: skip
        for i in range(1, count + 1):
            endurance.search_once(host.client, seed + i, budget=60)
            held.append(resident(pid) / MB)
            if i in (1, 2, 5) or i % 10 == 0:
                live = endurance.live_bytes(host) / MB
                rows.append((i, f"{live:.2f}", f"{held[-1]:.0f}"))
    late = held[count // 5 :]
    slope, _ = statistics.linear_regression(range(len(late)), late)
    return "\n\n".join([
        f"{count} searches of 60 NFE, each with a seed of its own.",
        table(("searches", "tensors, MiB", "resident, MiB"), rows),
        f"Slope of the resident memory after the first fifth: {1024 * slope:.0f} KiB a search.",
    ])  # fmt: skip


def of_memory(count: int, seed: int) -> str:
    """What running out of memory changes in a search of `count` NFE."""
    script = ROOT / "tests" / "host" / "exhausting.py"
    command = [sys.executable, script, os.environ["COMFYUI_PATH"], ROOT, count, seed]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    told = json.loads(done.stdout.splitlines()[-1])
    rows = []
    for name, found in told.items():
        points = ", ".join(f"{what} {times}" for what, times in found["raised"].items()) or "none"
        rows.append((
            name, found["candidates"], f"{found['unloads']}", points, found["best"],
            f"{found['reward_differs']:.1e}", f"{found['picture_differs']:.1e}",
        ))  # fmt: skip
    heads = (
        "device", "candidates", "times the network was unloaded", "out of memory", "best candidate",
        "largest difference of a reward", "of a pixel of the best picture",
    )  # fmt: skip
    return f"{count} NFE, seed {seed}.\n\n" + table(heads, rows)


SECTIONS = {
    "memory": (of_memory, 500), "growth": (of_growth, 50), "cancel": (of_cancel, 200),
    "fuzz": (of_fuzz, 2000),
}  # fmt: skip

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), metavar="section")
    parser.add_argument("--count", type=int, help="how many, in place of the page's number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into benchmarks/robustness.md")
    given = parser.parse_args()
    for name in given.sections:
        measure, count = SECTIONS[name]
        text = measure(given.count or count, given.seed)
        print(f"{name}:\n{text}\n", flush=True)
        if given.write:
            put(PAGE, name, text)
