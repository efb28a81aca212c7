"""dev.py and its parts, and a folder that passes for ComfyUI: a server that only answers."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FAKE_MAIN = """
import json, os, pathlib, sys, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer

option = lambda name: sys.argv[sys.argv.index(name) + 1]
base = pathlib.Path(option("--base-directory"))
(base / "pid").write_text(str(os.getpid()))
tries = pathlib.Path(__file__).with_name("tries")
tries.write_text(str(int(tries.read_text()) + 1) if tries.exists() else "1")
if tries.with_name("busy").exists() and tries.read_text() == "1":
    sys.exit("Port is already in use")
if tries.with_name("broken").exists():
    sys.exit("No module named flux_capacitor")

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"system": {}}).encode())

HTTPServer((option("--listen"), int(option("--port"))), Answer).serve_forever()
"""


def load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def dev():
    return load("flow_search_dev", ROOT / "dev.py")


@pytest.fixture(scope="session")
def client(dev):
    return dev.demonstration.client


@pytest.fixture(scope="session")
def installing(dev):
    return dev.installing


@pytest.fixture(scope="session")
def serving(dev):
    return dev.serving


@pytest.fixture
def fake_comfyui(tmp_path):
    folder = tmp_path / "ComfyUI"
    folder.mkdir()
    (folder / "main.py").write_text(FAKE_MAIN)
    return folder


@pytest.fixture
def fake_host(dev, fake_comfyui):
    return dev.Host(fake_comfyui, Path(sys.executable), built=False)
