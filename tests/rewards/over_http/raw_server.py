"""A server below HTTP: it reads a request, and sends what a test says, in time and without end."""

import contextlib
import socket
import threading
import time

LIFE = 20.0  # seconds that an endless answer lasts: a client that waits for its end is too late


class RawServer:
    """Answers each connection by `behave(send, pause)`; ``sent`` counts bytes, ``met`` connections.

    ``send`` takes bytes, ``pause`` seconds; both raise OSError once the client has hung up or the
    test is over.
    """

    def __init__(self, behave, reads=True):
        self.behave, self.reads, self.over = behave, reads, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.sent = self.met = 0

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def accept(self):
        while not self.over.is_set():
            try:
                sock, _ = self.listener.accept()
            except TimeoutError:
                continue
            self.met += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        end = time.monotonic() + LIFE

        def send(data):
            if self.over.is_set() or time.monotonic() > end:
                raise OSError
            sock.sendall(data)
            self.sent += len(data)

        def pause(seconds):
            if self.over.wait(seconds):
                raise OSError

        with sock, contextlib.suppress(OSError):
            sock.settimeout(LIFE)
            text = b""
            while self.reads and b"\r\n\r\n" not in text:
                text += sock.recv(1 << 16)
            self.behave(send, pause)


@contextlib.contextmanager
def raw(behave, reads=True):
    server = RawServer(behave, reads)
    thread = threading.Thread(target=server.accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        thread.join(5)
        server.listener.close()
