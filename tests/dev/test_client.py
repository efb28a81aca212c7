"""The HTTP side: frames of the web socket, refusals, failures, and a run followed to its end."""

import base64
import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pack.tools.web_socket import take_frame


def frame(payload: bytes, opcode: int = 1, final: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 65536:
        length = bytes([126]) + size.to_bytes(2, "big")
    else:
        length = bytes([127]) + size.to_bytes(8, "big")
    return bytes([(0x80 if final else 0) | opcode]) + length + payload


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_frame_is_cut_whole_whatever_the_pieces(size):
    payload = bytes(i % 251 for i in range(size))
    wire = frame(payload, 2) + b"rest"
    buffer = bytearray()
    for start in range(0, len(wire) - 4, 997):
        assert take_frame(buffer) is None
        buffer += wire[start : start + 997]
    buffer += wire[len(buffer) :]
    assert take_frame(buffer) == (True, 2, payload)
    assert bytes(buffer) == b"rest"


class Comfy(BaseHTTPRequestHandler):
    """A server that runs one prompt: `script` is what its web socket says, `entry` its history."""

    protocol_version, timeout = "HTTP/1.1", 5
    script, entry, socket_ok, answer = b"", {}, True, (200, {"prompt_id": "p1"})
    queued, pongs = [], []

    def log_message(self, *_):
        pass

    def reply(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).queued.append(body)
        self.reply(*self.answer)
        self.server.started.set()

    def do_GET(self):
        if self.path.startswith("/history"):
            self.reply(200, {"p1": self.entry} if self.server.done.is_set() else {})
        elif self.path.startswith("/ws") and self.socket_ok:
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            self.send_header("Sec-WebSocket-Accept", accept)
            self.end_headers()
            self.server.started.wait(10)
            self.wfile.write(self.script)
            self.wfile.flush()
            try:
                type(self).pongs.append(self.rfile.read(2 + 4 + 4))
            finally:
                self.server.done.set()
            self.wfile.write(frame(b'{"type": "executing", "data": {"node": null}}'))
            self.close_connection = True
        else:
            self.reply(404, {})


@contextlib.contextmanager
def serving(**changes):
    handler = type("Handler", (Comfy,), {"queued": [], "pongs": [], **changes})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.started, server.done = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server
    finally:
        server.shutdown()
        server.server_close()


PROMPT = {"7": {"class_type": "FlowSearchRBF", "inputs": {}}}
OUTPUTS = {"7": {"flow_search_report": ["{}"]}}


def state(value, prompt_id="p1", node="7"):
    data = {"prompt_id": prompt_id, "nodes": {node: {"value": value, "max": 9}}}
    return json.dumps({"type": "progress_state", "data": data}).encode()


def test_a_run_shows_progress_and_returns_its_outputs(client):
    split = state(5)
    script = (
        frame(state(1)) + frame(b"\x00\x01preview", 2) + frame(state(8, prompt_id="other"))
        + frame(state(8, node="3")) + frame(split[:10], 1, final=False) + frame(b"ping", 9)
        + frame(split[10:], 0)
    )  # fmt: skip
    seen = []
    with serving(script=script, entry={"outputs": OUTPUTS}) as (url, server):
        comfy = client.Client(url)
        outputs = comfy.run(PROMPT, lambda *v: seen.append(v), workflow={"nodes": []})
        sent = server.RequestHandlerClass.queued
        pong = server.RequestHandlerClass.pongs[0]
    assert outputs == OUTPUTS
    assert seen == [(1, 9), (5, 9)]
    assert sent[0]["prompt"] == PROMPT and sent[0]["client_id"] == comfy.id
    assert sent[0]["extra_data"]["extra_pnginfo"]["workflow"] == {"nodes": []}
    mask = pong[2:6]
    assert pong[:2] == b"\x8a\x84"
    assert bytes(b ^ m for b, m in zip(pong[6:], mask, strict=True)) == b"ping"


def test_without_a_web_socket_the_history_is_enough(client):
    with serving(socket_ok=False, entry={"outputs": OUTPUTS}) as (url, server):
        server.done.set()
        assert client.Client(url).run(PROMPT, lambda *_: None) == OUTPUTS


def test_a_socket_that_breaks_off_does_not_end_the_run(client):
    with serving(script=frame(b"", 8), entry={"outputs": OUTPUTS}) as (url, server):
        threading.Timer(0.6, server.done.set).start()
        assert client.Client(url).run(PROMPT, lambda *_: None) == OUTPUTS


def test_a_failed_node_is_one_sentence(client):
    said = "budget\n too small\n"
    error = {"node_id": "7", "node_type": "FlowSearchRBF", "exception_message": said}
    entry = {"status": {"messages": [["execution_error", error]]}, "outputs": {}}
    with serving(socket_ok=False, entry=entry) as (url, server):
        server.done.set()
        with pytest.raises(client.ComfyError) as caught:
            client.Client(url).run(PROMPT, lambda *_: None)
    assert str(caught.value) == "FlowSearchRBF (node 7) failed: budget too small"


def test_a_refused_prompt_is_one_sentence(client):
    errors = [{"message": "Value 0 smaller than min of 1", "details": "budget"}]
    nodes = {"7": {"class_type": "FlowSearchRBF", "errors": errors}}
    refused = {"error": {"message": "Prompt outputs failed", "details": ""}, "node_errors": nodes}
    with serving(answer=(400, refused)) as (url, server):
        server.started.set()
        with pytest.raises(client.ComfyError) as caught:
            client.Client(url).queue(PROMPT)
    wanted = "FlowSearchRBF (node 7) was refused: Value 0 smaller than min of 1: budget"
    assert str(caught.value) == wanted


def test_a_proxy_is_never_asked(client, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving() as (url, _):
        assert client.Client(url).get("/history/p1") == {}


def test_a_server_that_is_gone_is_named(client):
    with pytest.raises(client.ComfyError, match="127.0.0.1:9 does not answer"):
        client.Client("http://127.0.0.1:9").get("/history")
