"""A process that ends in the middle of a search, and a full disk (Field 37).

Servers of their own, which are killed. scripts/journal_full_disk.py runs a search with no room for
any file.
"""

import contextlib
import itertools
import json
import signal
import sys
from pathlib import Path

import pytest
from pack.tools.probing.graphs import search, with_input
from pack.tools.probing.server import furnish, serving
from PIL import Image

from .helpers import PROBE
from .helpers.prompts import ended, post, rewards, trouble, wait
from .helpers.scripts import run_script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of Unix")
LONG = 90_000  # NFE
SAVED = "Flow Search saved the best image so far: "
count = itertools.count()


@contextlib.contextmanager
def server(comfyui, base, *options):
    """A server that may be killed."""
    furnish(base, PROBE)
    with serving(comfyui, base, *options) as running:
        yield running


def started(host, seen=8, batch=1, **inputs):
    """Queue a long search, wait until it has scored a few pictures; the prompt and its id."""
    name = f"long {next(count)}"
    graph = trouble("slow", name, **{"budget": LONG, "seed": next(count), **inputs})
    graph = with_input(graph, "latent", "batch_size", batch)
    prompt_id = host.client.queue(graph, {"id": "a workflow", "nodes": [{"id": "search"}]})
    file = host.base / "output" / f"seen_{name}"
    wait(lambda: file.exists() and int(file.read_text() or 0) >= seen)
    return graph, prompt_id


def journal(host, pattern="*"):
    return sorted((host.base / "output" / "flow_search").glob(f"journal_{pattern}"))


def ends(host, number):
    """The exit status after a signal."""
    host.process.send_signal(number)
    return host.process.wait(60)


def assert_whole(picture, graph):
    """The picture opens, as a workflow too, and its report is beside it."""
    report = json.loads(picture.with_suffix(".json").read_text("utf-8"))
    with Image.open(picture) as image:
        image.load()
        info = image.info
    assert json.loads(info["prompt"]) == graph
    assert json.loads(info["flow_search"]) == {"search": report}
    assert json.loads(info["workflow"])["nodes"][0]["flow_search"]["report"] == report
    assert report["stopped"] == "interrupt" and "error" not in report
    assert report["best"]["reward"] == max(rewards(report))
    assert report["lineage"][-1]["id"] == report["best"]["id"]
    return report


def mentions(host, words):
    return [line for line in host.log.read_text().splitlines() if words in line]


def assert_saved_by(host, name):
    """A signal in the middle of a search saves the best, and ends the process as before.

    SIGINT is Ctrl-C: the host returns from `main`, and how that ends its threads is its own.
    """
    number, before = getattr(signal, name), journal(host)
    graph, _ = started(host)
    status = ends(host, number)
    assert name == "SIGINT" or status == -number
    (line,) = mentions(host, SAVED)
    picture = Path(line.partition(SAVED)[2])
    assert picture.parent == host.base / "output" / "flow_search"
    assert picture.name.startswith("unfinished_")
    assert journal(host) == before
    assert_whole(picture, graph)


def test_after_a_kill_the_next_start_says_where_the_best_is(comfyui, tmp_path):
    """Another server on the same output folder ends by a signal, as the next start does."""
    left = "A crash or a kill ended a search"
    with server(comfyui, tmp_path / "one") as host:
        graph, _ = started(host)
        assert [path.suffix for path in journal(host)] == [".lock", ".json", ".png"]
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "output").symlink_to(host.base / "output")
        with server(comfyui, tmp_path / "two") as second:
            assert not mentions(second, left)  # the first one lives
            assert ends(host, signal.SIGKILL) == -signal.SIGKILL
            (picture,) = journal(host, "*.png")
            assert_saved_by(second, "SIGHUP")
    report = assert_whole(picture, graph)
    with server(comfyui, tmp_path / "one") as host:
        (line,) = mentions(host, left)
        assert str(picture) in line
        again = with_input(graph, "search", "replay", f"flow_search/{picture.name} [output]")
        shown = host.probe(again)["report"]
        assert shown["best"]["reward"] == pytest.approx(report["best"]["reward"], rel=1e-4)
        assert picture.exists()  # never removed by itself
        (alive,) = {*journal(host, "*.lock")}
        assert alive.stem in picture.stem
        assert_saved_by(host, "SIGTERM")


def test_ctrl_c_saves_the_best(comfyui, tmp_path):
    with server(comfyui, tmp_path) as host:
        assert_saved_by(host, "SIGINT")


def test_a_journal_is_there_as_long_as_the_search_runs(host):
    before = journal(host)
    _, prompt_id = started(host, batch=2)
    during = set(journal(host)) - set(before)
    assert sorted(path.suffix for path in during) == [".json", ".lock", ".png"]
    assert not list((host.base / "output" / "flow_search").glob(".*"))
    post(host, "/flow_search/stop", {"node_id": "search", "prompt_id": prompt_id})
    ended(host, prompt_id)
    assert journal(host) == before
    _, prompt_id = started(host)
    assert journal(host) != before
    post(host, "/interrupt", {})
    ended(host, prompt_id)
    assert journal(host) == before


def test_a_journal_can_be_switched_off(host):
    before = journal(host)
    _, prompt_id = started(host, journal=False)
    assert journal(host) == before
    post(host, "/interrupt", {})
    ended(host, prompt_id)


def test_the_journal_changes_no_result(host):
    on, off = (
        host.probe(search(seed=51, name=f"journal {on}", journal=on)) for on in (True, False)
    )
    assert on["latent"] == off["latent"]
    assert on["report"]["trace"] == off["report"]["trace"]


@pytest.fixture(scope="module")
def no_room(comfyui, tmp_path_factory):
    return run_script("journal_full_disk.py", comfyui, tmp_path_factory.mktemp("full"))


def test_a_full_disk_leaves_no_part_of_a_file_and_is_said(no_room):
    """No file may have more than a kilobyte."""
    told = no_room["all"]
    sentence, *lines = told["error"].split("\n")
    assert sentence == "the reward broke"
    assert lines and all(line.startswith("Flow Search could not save") for line in lines)
    assert "OSError: [Errno 27] File too large" in told["error"] and SAVED not in told["error"]
    assert [line for line in told["lines"] if "could not keep the journal" in line]
    assert [line for line in told["lines"] if "could not save the table of the search" in line]
    assert {path: size for path, size in told["sizes"].items() if "journal" not in path} == {}
    assert set(told["sizes"].values()) <= {0} and len(told["sizes"]) <= 1  # the lock


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_with_a_full_output_folder_the_best_is_in_the_temporary_one(no_room):
    told = no_room["output"]
    _, why, where = told["error"].split("\n")
    assert "could not save" in why and "OSError: [Errno 28] No space left on device" in why
    picture = where.removeprefix(SAVED)
    with Image.open(picture) as image:
        image.load()
    assert not [
        path for path in told["sizes"] if path.startswith("output") and "journal" not in path
    ]
