"""With what a search works: python benchmarks/models.py --write

Runs the cases of `host_cases` in a ComfyUI on the CPU, on small models with random weights. Each is
one row of benchmarks/results/models.json. `--write` makes the tables of docs/models.md from the
rows; `--kept` measures nothing, and takes the rows of the file. Takes two minutes. Needs
COMFYUI_PATH and the environment of `python dev.py test`.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.host_cases import page, simulated
from pack.benchmarks.host_cases.case import Case, Row
from pack.tools.client import ComfyError
from pack.tools.installing import NEWEST
from pack.tools.probing.server import Host, furnish, serving
from pack.tools.sections import put

FAILS = "fails: "


def row_of(case: Case, source: Any) -> Row:
    """The case's row; the check that failed in place of the result."""
    try:
        return case.row(source)
    except (AssertionError, ComfyError) as error:
        traceback.print_exc()
        line = traceback.extract_tb(error.__traceback__)[-1].line
        return case.names | {"search": f"{FAILS}{str(error) or line}".split("\n")[0]}


def simulate(comfyui: Path) -> dict:
    """What the searches on simulated devices show."""
    script = ROOT / "benchmarks" / "host_cases" / "simulated_run.py"
    command = [sys.executable, str(script), str(comfyui)]
    done = subprocess.run(command, cwd=comfyui, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def measure(host: Host, devices: dict) -> page.Tables:
    """All rows: those of the host, and those of simulated devices."""
    tables: page.Tables = {}
    for name, cases in page.CASES.items():
        print(f"{name}: {len(cases)} rows ...", flush=True)
        sources = {id(case): devices for case in simulated.CASES}
        tables[name] = [row_of(case, sources.get(id(case), host)) for case in cases]
    return tables


def run(comfyui: Path) -> page.Tables:
    """Measure all rows in a ComfyUI, and store them."""
    with tempfile.TemporaryDirectory(prefix="flow-search-", ignore_cleanup_errors=True) as folder:
        furnish(Path(folder))
        with serving(comfyui, Path(folder)) as host:
            version = host.client.get("/system_stats")["system"]["comfyui_version"]
            if version != NEWEST:
                raise SystemExit(f"The page is of one ComfyUI: got {version}, expected {NEWEST}.")
            tables = measure(host, simulate(comfyui))
    page.store(version, tables)
    return tables


def write(tables: page.Tables) -> None:
    """Put the tables into the page."""
    before = page.PAGE.read_text("utf-8")
    for name, text in page.sections(tables).items():
        put(page.PAGE, name, text)
    if page.PAGE.read_text("utf-8") != before:
        print(f"  wrote {page.PAGE.relative_to(ROOT)}")


def main() -> int:
    """0 if all rows hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    parser.add_argument("--kept", action="store_true", help="measure nothing")
    args = parser.parse_args()
    if not __debug__:
        raise SystemExit("The checks are assertions: got python -O, expected python.")
    tables = page.stored() if args.kept else run(Path(os.environ["COMFYUI_PATH"]))
    if args.write:
        write(tables)
    failures = [row for rows in tables.values() for row in rows if row["search"].startswith(FAILS)]
    for row in failures:
        print(*row.values(), sep=" | ")
    print(f"{sum(map(len, tables.values()))} rows, {len(failures)} of them fail.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
