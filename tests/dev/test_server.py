"""A server is found, started on the checkout, and stopped whatever happens."""

import json
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from .test_setup import ROOT, running, script, signal_called, wait_for


@pytest.fixture(autouse=True)
def no_gpu(serving, monkeypatch):
    """Spare the seconds of importing torch to look for one."""
    monkeypatch.setattr(serving, "GPU", "raise SystemExit(1)")


def get(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(url, timeout=5).read()


def test_it_answers_with_the_checkout_linked_and_stops_when_the_body_raises(
    serving, fake_host, tmp_path
):
    base = tmp_path / "base"
    with (
        pytest.raises(RuntimeError, match="the body"),
        serving.server(fake_host, base, tmp_path / "log") as (url, process),
    ):
        assert json.loads(get(url + "/system_stats")) == {"system": {}}
        assert os.path.samefile(base / "custom_nodes" / "flow-search", ROOT)
        pid = int((base / "pid").read_text())
        assert running(pid)
        raise RuntimeError("the body")
    assert process.poll() is not None and not running(pid)
    with pytest.raises(OSError):
        get(url + "/system_stats")
    assert (ROOT / "dev.py").exists()


def test_two_at_once_share_a_base(serving, fake_host, tmp_path):
    base = tmp_path / "base"
    with serving.server(fake_host, base, tmp_path / "a") as (first, _):
        with serving.server(fake_host, base, tmp_path / "b") as (second, _):
            assert first != second and get(first) and get(second)


def test_a_port_taken_meanwhile_is_tried_again(serving, fake_host, tmp_path):
    (fake_host.path / "busy").touch()
    with serving.server(fake_host, tmp_path / "base", tmp_path / "log") as (url, _):
        assert get(url)
    assert (fake_host.path / "tries").read_text() == "2"


def test_one_that_cannot_start_shows_the_end_of_its_log(serving, dev, fake_host, tmp_path):
    (fake_host.path / "broken").touch()
    with pytest.raises(dev.Fail, match="No module named flux_capacitor"):
        with serving.server(fake_host, tmp_path / "base", tmp_path / "log"):
            pytest.fail("it did start")
    assert (fake_host.path / "tries").read_text() == "1"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_serve_stops_its_server_when_it_is_stopped(fake_comfyui, tmp_path, name):
    number = signal_called(name)
    env = os.environ | {
        "COMFYUI_PATH": str(fake_comfyui), "COMFYUI_PYTHON": sys.executable,
        "FLOW_SEARCH_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path),
    }  # fmt: skip
    serve = script(tmp_path, "sys.exit(dev.main(['serve']))", env=env)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(serve.stdout.readline, "")))
    reader.start()
    wait_for(lambda: any("Ctrl-C" in line for line in lines), 60)
    (file,) = (tmp_path / "cache").glob("serve/*/pid")
    pid = int(file.read_text())
    assert running(pid)
    serve.send_signal(number)
    code = serve.wait(20)
    reader.join()
    assert code == (-9 if name == "SIGKILL" else 128 + number)
    wait_for(lambda: not running(pid))


def test_the_python_of_a_given_comfyui_is_found(
    installing, dev, fake_comfyui, tmp_path, monkeypatch
):
    monkeypatch.delenv("COMFYUI_PYTHON", raising=False)
    assert installing.user_host(fake_comfyui).python == Path(sys.executable)
    beside = installing.python_in(tmp_path / "venv")
    inside = installing.python_in(fake_comfyui / ".venv")
    for python in (beside, inside):
        python.parent.mkdir(parents=True)
        python.touch()
        assert installing.user_host(fake_comfyui).python == python
    monkeypatch.setenv("COMFYUI_PYTHON", str(beside))
    assert installing.user_host(fake_comfyui).python == beside
    monkeypatch.setenv("COMFYUI_PYTHON", str(tmp_path / "none"))
    with pytest.raises(dev.Fail, match="COMFYUI_PYTHON"):
        installing.user_host(fake_comfyui)


def test_a_given_comfyui_without_main_py_is_refused(installing, dev, tmp_path):
    with pytest.raises(dev.Fail, match="no main.py"):
        installing.user_host(tmp_path)


def test_a_link_is_replaced_and_never_followed_when_its_folder_goes(serving, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").touch()
    place = tmp_path / "place"
    assert serving.link(tmp_path / "a", place) and serving.link(tmp_path / "b", place)
    assert os.path.samefile(place, tmp_path / "b")
    (tmp_path / "real").mkdir()
    assert not serving.link(tmp_path / "a", tmp_path / "real") and (tmp_path / "real").is_dir()
    assert (tmp_path / "a" / "kept").exists() and (tmp_path / "b" / "kept").exists()


def test_missing_test_tools_are_named_with_the_command_for_them(
    installing, dev, fake_comfyui, monkeypatch
):
    monkeypatch.setattr(
        dev.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, returncode=1)
    )
    with pytest.raises(dev.Fail, match="-m pip install pytest=="):
        dev.test(installing.user_host(fake_comfyui), [])
