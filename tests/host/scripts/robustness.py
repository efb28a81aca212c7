"""Long runs, cancels and bad prompts: robustness.py --write [fuzz cancel …]

The long form of test_fuzz.py and test_swapping.py. `memory`: a search on a device that has too
little memory and runs out of it at random points, against the same search with enough. `growth`:
many searches in one server. `cancel`: searches cancelled at random moments, each followed by
another prompt. `fuzz`: random prompts. Needs COMFYUI_PATH and the environment of
`python dev.py test`. `--write` puts the numbers into docs/robustness.md. If a bound is broken, it
says so, does not write that section, and ends with status 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import runpy
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.tests.host.helpers import PROBE, endurance, fuzz
from pack.tests.host.helpers.scripts import run_script
from pack.tools.probing.server import Host, furnish, serving
from pack.tools.sections import put, table

PAGE = ROOT / "docs" / "robustness.md"
MB = 1 << 20
SLOPE = 128  # KiB a search that may stay: four times what was measured, 5 MiB in 40 searches
TENSORS = 64  # KiB of tensors that may be there more than after the second search
Measured = tuple[str, list[str]]  # the section, and a sentence for each bound that was broken


@contextlib.contextmanager
def server() -> Iterator[Host]:
    """A server with the pack and the tests' probes."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        furnish(base, PROBE)
        with serving(Path(os.environ["COMFYUI_PATH"]), base) as running:
            yield running


def broken(*bounds: tuple[object, str]) -> list[str]:
    """The sentences of those that are."""
    return [sentence for wrong, sentence in bounds if wrong]


def of_fuzz(count: int, seed: int) -> Measured:
    """How `count` random prompts end."""
    ends: list[fuzz.End] = []
    with server() as host, open(host.base.with_suffix(".prompts"), "w") as trail:
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
        log = host.log.read_text()
    kinds, strays = Counter(end.kind for end in ends), fuzz.stray_traces(log)
    print("\n\n".join(strays), flush=True)
    own = [e for e in ends if e.kind == "error" and e.node.startswith(fuzz.OWN)]
    rows = [(kind, kinds[kind]) for kind in ("result", "refused", "error", "cancelled", "hang")]
    said, unclear = len({end.text for end in own}), sum(not end.clear for end in ends)
    text = "\n\n".join([
        f"{len(ends)} prompts of seed {seed} in {seconds:.0f} s; a usual prompt after them: "
        f"{after.kind}.",
        table(("end", "prompts"), rows),
        f"Errors of the pack's own nodes: {len(own)}, {said} different sentences; not one clear "
        f"sentence: {unclear}. Stack traces in the server's log: {log.count(fuzz.ERROR)} of the "
        f"host's own, for the error of a node, and {len(strays)} others.",
    ])  # fmt: skip
    return text, broken(
        (kinds["hang"], f"The prompt after {len(ends) - 1} others never ended."),
        (unclear, f"{unclear} prompts ended without a clear sentence."),
        (strays, f"{len(strays)} stack traces in the log are not the host's for a node's error."),
        (after.kind != "result", f"A usual prompt after all others ended as {after.kind}."),
    )


def of_cancel(count: int, seed: int) -> Measured:
    """How searches end that are cancelled, and the prompts after them."""
    rng = random.Random(seed)
    short = count - count // 2
    ends: dict[int, Counter[str]] = {endurance.LONG: Counter(), endurance.SHORT: Counter()}
    after: Counter[str] = Counter()
    slowest = 0.0
    with server() as host:
        took = [endurance.search_once(host.client, count + i) for i in range(4)][1:]
        latest = endurance.LATEST * statistics.median(took)  # the first one loads the models
        cancels = [(endurance.LONG, rng.uniform(0.0, 2.0)) for _ in range(count // 2)]
        even = [(i + rng.random()) / short for i in range(short)]  # both ends, and all between
        cancels += [(endurance.SHORT, latest * share) for share in even]
        rng.shuffle(cancels)
        for i, (budget, moment) in enumerate(cancels):
            begin = time.perf_counter()
            end, then = endurance.cancel_at(host.client, moment, i, budget)
            slowest = max(slowest, time.perf_counter() - begin)
            ends[budget][end.kind] += 1
            after[then.kind] += 1
            if then.kind != "result":
                print(i, end, then, flush=True)
    kinds = sorted({"cancelled", "result"}.union(*ends.values(), after))
    rows = [(kind, *(own[kind] for own in ends.values()), after[kind]) for kind in kinds]
    heads = ("end", *(f"of searches of {budget} NFE" for budget in ends), "of prompts after them")
    text = "\n\n".join([
        f"{count} searches (seed {seed}), half of them of {endurance.LONG} NFE and cancelled after "
        f"a time drawn evenly from 0 to 2 s, half of {endurance.SHORT} NFE and cancelled after one "
        f"from 0 to {latest:.2f} s, {endurance.LATEST} times what such a search takes; the slowest "
        f"with its wait, its end and the prompt after it took {slowest:.1f} s.",
        table(heads, rows),
    ])  # fmt: skip
    whole = sum(ends.values(), Counter())
    lost, failed = count - whole["cancelled"] - whole["result"], count - after["result"]
    missed = [kind for kind in ("cancelled", "result") if not ends[endurance.SHORT][kind]]
    return text, broken(
        (lost, f"{lost} cancelled searches ended neither cancelled nor with a result."),
        (failed, f"{failed} prompts after a cancel gave no result."),
        (missed, f"No short search ended as {' or '.join(missed)}: its cancels missed that end."),
    )


def resident(pid: int) -> int:
    """Bytes of the process in memory."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def of_growth(count: int, seed: int) -> Measured:
    """What the server holds after more and more searches."""
    rows, held, live = [], [], {}
    with server() as host:
        for i in range(1, count + 1):
            endurance.search_once(host.client, seed + i, budget=60)
            held.append(resident(host.process.pid) / MB)
            if i in (1, 2, 5, count) or i % 10 == 0:
                live[i] = endurance.live_bytes(host)
                rows.append((i, f"{live[i] / MB:.2f}", f"{held[-1]:.0f}"))
    late = held[count // 5 :]
    slope = 1024 * statistics.linear_regression(range(len(late)), late).slope
    more = (live[count] - live[2]) / 1024
    text = "\n\n".join([
        f"{count} searches of 60 NFE, each with a seed of its own.",
        table(("searches", "tensors, MiB", "resident, MiB"), rows),
        f"Slope of the resident memory after the first fifth: {slope:.0f} KiB a search.",
    ])  # fmt: skip
    return text, broken(
        (slope > SLOPE, f"Resident memory grew by {slope:.0f} KiB a search, wanted {SLOPE}."),
        (more > TENSORS, f"Tensors grew by {more:.0f} KiB after two searches, wanted {TENSORS}."),
    )


def of_memory(count: int, seed: int) -> Measured:
    """What running out of memory changes in a search of `count` NFE."""
    comfyui = Path(os.environ["COMFYUI_PATH"])
    told = run_script("robustness_memory.py", comfyui, count, seed, timeout=36_000)
    rows, same = [], ("best", "picture")
    for name, found in told.items():
        points = ", ".join(f"{what} {times}" for what, times in found["raised"].items()) or "none"
        rows.append((
            name, found["candidates"], f"{found['unloads']}", points, found["best"],
            f"{found['reward_differs']:.1e}", f"{found['picture_differs']:.1e}",
            found["picture"][:8],
        ))  # fmt: skip
    heads = (
        "device", "candidates", "times the network was unloaded", "out of memory", "best candidate",
        "largest difference of a reward", "of a pixel of the best picture", "its hash in 8 bits",
    )  # fmt: skip
    wanted = [told["large"][key] for key in same]
    return f"{count} NFE, seed {seed}.\n\n" + table(heads, rows), broken(*(
        ([found[key] for key in same] != wanted, f"{name}: another best candidate or picture.")
        for name, found in told.items()
    ))  # fmt: skip


SECTIONS = {
    "memory": (of_memory, 500), "growth": (of_growth, 50), "cancel": (of_cancel, 200),
    "fuzz": (of_fuzz, 2000),
}  # fmt: skip

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), metavar="section")
    parser.add_argument("--count", type=int, help="how many, in place of the page's number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/robustness.md")
    given = parser.parse_args()
    wrong = []
    for name in given.sections:
        measure, count = SECTIONS[name]
        text, sentences = measure(given.count or count, given.seed)
        print(f"{name}:\n{text}\n", flush=True)
        wrong += [f"{name}: {sentence}" for sentence in sentences]
        if given.write and not sentences:
            put(PAGE, name, text)
    sys.exit("\n".join(wrong) or None)
