"""The tools of the browser part: in the cache folder once; where they cannot be, done without."""

import subprocess

import pytest


@pytest.mark.parametrize(
    ("cores", "gigabytes", "count"), [(1, 16, 2), (2, 16, 3), (2, 8, 2), (4, 64, 4), (None, 2, 1)]
)
def test_a_process_more_than_cores_runs_the_tests_if_memory_allows(
    dev, monkeypatch, cores, gigabytes, count
):
    monkeypatch.setattr(dev.os, "cpu_count", lambda: cores)
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gigabytes * 10**9 // 4096}
    monkeypatch.setattr(dev.os, "sysconf", sizes.get, raising=False)
    assert dev.test_processes() == count


def test_without_npm_it_says_what_is_skipped(dev, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FLOW_SEARCH_CACHE", str(tmp_path))
    monkeypatch.setattr(dev.shutil, "which", lambda name: None)
    assert dev.browser_tools(install=True) is None
    assert "npm is not there" in capsys.readouterr().out
    assert dev.web_tests(None, None) == []
    assert "need Node.js" in capsys.readouterr().out


def test_a_failed_install_is_told_and_tried_again(dev, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FLOW_SEARCH_CACHE", str(tmp_path))
    monkeypatch.setattr(dev.shutil, "which", lambda name: name)
    codes = [1, 0]

    def run(command, cwd, **options):
        assert command[:2] == ["npm", "ci"] and (cwd / "package-lock.json").exists()
        return subprocess.CompletedProcess(command, codes.pop(0), "", "no network")

    monkeypatch.setattr(dev.subprocess, "run", run)
    assert dev.browser_tools(install=True) is None
    assert "npm failed: no network" in capsys.readouterr().out
    assert dev.browser_tools(install=False) is None
    modules = dev.browser_tools(install=True)
    assert modules.name == "node_modules" and modules.is_relative_to(tmp_path)
    assert dev.browser_tools(install=False) == dev.browser_tools(install=True) == modules
    assert codes == []


@pytest.mark.parametrize(
    ("words", "installed"),
    [
        ([], True),
        (["tests/host", "-x"], True),
        (["tests/host/test_browser.py::test_the_panel"], True),
        (["-k", "rbf"], False),
        (["tests/rewards"], False),
    ],
)
def test_they_are_installed_where_the_browsers_test_runs(
    dev, fake_host, monkeypatch, words, installed
):
    asked = []
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(dev, "browser_tools", lambda install: asked.append(install))
    monkeypatch.setattr(dev, "foreground", lambda command, host: 0)
    monkeypatch.setattr(dev, "web_tests", lambda tools, host: [])
    monkeypatch.setattr(dev.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    assert dev.test(fake_host, words) == 0
    assert asked == [installed]
