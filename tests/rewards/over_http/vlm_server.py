"""A vision-language model on a local port, in the shapes of the servers that people run.

Its answers follow from the picture it is sent: P(yes) grows with red, P(no) with green.
"""

import base64
import contextlib
import io
import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

OWNERS = {
    "vllm": "vllm",
    "llama_cpp": "llamacpp",
    "ollama": "library",
    "old_ollama": "library",  # log-probabilities in its own API alone
    "older_ollama": "library",  # before 0.12.11: none at all
    "lm_studio": "organization_owner",
    "old_lm_studio": "organization_owner",  # none at all
    "bare": "me",  # none at all
}
MODEL = "a-vision-model:latest"


def odds(picture):
    """P(yes), P(no) of levels (H, W, 3)."""
    red, green, blue = picture.reshape(-1, 3).astype(np.float64).mean(0) / 255.0
    return 0.05 + 0.5 * red * (1.0 - 0.3 * blue), 0.1 + 0.3 * green


def expected(picture):
    """The score that the model's answer to ``picture`` (H, W, 3) in [0, 1] amounts to."""
    yes, no = odds(np.rint(np.asarray(picture, np.float64) * 255.0))
    return yes / (yes + no)


def likeliest(picture):
    """[(token, p)], the spellings of each answer and some more."""
    yes, no = odds(picture)
    found = [("Yes", 0.7 * yes), (" yes", 0.2 * yes), ("YES", 0.1 * yes)]
    found += [("No", 0.6 * no), ("▁no", 0.4 * no), ("The", 0.02), ("Yesterday", 0.01)]
    return sorted(found, key=lambda pair: -pair[1])


def entries(pairs, ids=False):
    """As OpenAI writes them; llama.cpp adds ids."""
    found = []
    for i, (token, p) in enumerate(pairs):
        entry = {"token": token, "logprob": math.log(p), "bytes": list(token.encode())}
        found.append({"id": i} | entry if ids else entry)
    return found


def openai(top, logprobs=True):
    content = [top[0] | {"top_logprobs": top}]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": top[0]["token"]},
        "finish_reason": "length",
        "logprobs": {"content": content} if logprobs else None,
    }
    usage = {"prompt_tokens": 300, "completion_tokens": 1, "total_tokens": 301}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL}
    return head | {"choices": [choice], "usage": usage}


def own_ollama(top, logprobs):
    message = {"role": "assistant", "content": top[0]["token"]}
    told = {"logprobs": [top[0] | {"top_logprobs": top}]} if logprobs else {}
    return {"model": MODEL, "message": message, "done": True, "done_reason": "length"} | told


def responses(top, logprobs):
    told = [top[0] | {"top_logprobs": top}] if logprobs else []
    text = {"type": "output_text", "text": top[0]["token"], "annotations": [], "logprobs": told}
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "assistant", "status": "completed", "content": [text]},
    ]
    return {"id": "resp_1", "object": "response", "status": "completed", "output": output}


def question(path, body):
    """The text and the picture (H, W, 3) of a request, wherever its dialect has them."""
    if path.endswith("/api/chat"):
        (message,) = body["messages"]
        text, png = message["content"], message["images"][0]
    else:
        (message,) = body["input"] if path.endswith("/responses") else body["messages"]
        shown, said = message["content"]
        uri, text = shown["image_url"], said["text"]
        head, png = (uri if isinstance(uri, str) else uri["url"]).split(",")
        assert head == "data:image/png;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(png, validate=True)))
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    return text, np.asarray(picture)


class VlmServer(ThreadingHTTPServer):
    """``requests`` are those seen: {"method", "path", "headers", "body", "text", "picture"}.

    ``hook(request, handler)`` comes before an answer: it may wait, return (status, headers, text)
    to be sent instead, or True if it has answered, or broken off, by itself.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, kind="vllm", hook=None, see=likeliest):
        super().__init__(("127.0.0.1", 0), Handler)
        self.kind, self.hook, self.see = kind, hook, see
        self.models = [MODEL, "another-model"]
        self.requests, self.lock = [], threading.Lock()
        self.now = self.most = 0  # questions under way, and the most at any time

    @property
    def root(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self):
        return f"{self.root}/v1"

    @property
    def asked(self):
        return [r for r in self.requests if r["method"] == "POST"]

    def answer(self, request):
        """The JSON for ``request``, None where the server has no such path."""
        path, kind = request["path"], self.kind
        if path == "/v1/models":
            listed = [{"id": m, "object": "model", "owned_by": OWNERS[kind]} for m in self.models]
            return {"object": "list", "data": listed}
        if request["method"] == "GET":
            return None
        top = entries(self.see(request["picture"]), ids=kind == "llama_cpp")
        if path == "/v1/chat/completions":
            return openai(top, logprobs=kind in ("vllm", "llama_cpp", "ollama"))
        if path == "/api/chat" and "ollama" in kind:
            return own_ollama(top, kind != "older_ollama")
        if path == "/v1/responses" and "lm_studio" in kind:
            return responses(top, kind == "lm_studio")
        return None

    def handle_error(self, request, client_address):
        pass  # clients that hang up


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.reply(None)

    def do_POST(self):
        self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def reply(self, body):
        server = self.server
        request = {"method": self.command, "path": self.path, "body": body}
        request |= {"headers": dict(self.headers), "time": time.monotonic()}
        if body is not None:
            request["text"], request["picture"] = question(self.path, body)
        with server.lock:
            server.requests.append(request)
            server.now += body is not None
            server.most = max(server.most, server.now)
        try:
            instead = server.hook(request, self) if server.hook else None
        finally:
            with server.lock:
                server.now -= body is not None
        if instead is True:
            return
        if instead is None:
            found = server.answer(request)
            instead = (404, {}, "404 page not found") if found is None else (200, {}, found)
        self.send(*instead)

    def send(self, status, headers, found):
        data = (found if isinstance(found, str) else json.dumps(found)).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serve(*args, **kwargs):
    """A VlmServer that answers for as long as the context lasts."""
    server = VlmServer(*args, **kwargs)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
