"""A web socket that listens: the part of RFC 6455 that the progress bar needs.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import base64
import os
import socket


class WebSocket:
    """Receives text messages, answers pings and skips binary messages.

    Args:
        host: the server.
        port: its port.
        path: the socket's path, with its query.
        timeout: seconds to connect.

    Raises:
        ConnectionError: the server opens no web socket there.
    """

    def __init__(self, host: str, port: int, path: str, timeout: float = 10.0) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        self._buffer = bytearray()
        self._kind, self._parts = 0x1, bytearray()  # of the message being received
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if head.split(None, 2)[1:2] != [b"101"]:
            self.close()
            raise ConnectionError(f"There is no web socket at {path}: got {head[:60]!r}.")
        self._buffer = bytearray(rest)

    def receive(self, timeout: float) -> str:
        """The next text message; TimeoutError if none comes in time, which loses nothing."""
        self._socket.settimeout(timeout)
        while True:
            while (frame := take_frame(self._buffer)) is None:
                self._fill()
            final, opcode, payload = frame
            if opcode == 0x8:
                raise ConnectionError("The server closed the web socket.")
            if opcode == 0x9:
                self._pong(payload)
            elif opcode in (0x0, 0x1, 0x2):
                if opcode:
                    self._kind, self._parts = opcode, bytearray()
                self._parts += payload
                if final and self._kind == 0x1:
                    return self._parts.decode()

    def close(self) -> None:
        self._socket.close()

    def _fill(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("The server closed the connection.")
        self._buffer += data

    def _pong(self, payload: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self._socket.sendall(bytes([0x8A, 0x80 | len(payload)]) + mask + masked)


def take_frame(buffer: bytearray) -> tuple[bool, int, bytes] | None:
    """Take a whole frame from the front of `buffer`: (final, opcode, payload), or None."""
    if len(buffer) < 2:
        return None
    length, start = buffer[1] & 0x7F, 2
    if length >= 126:
        size = {126: 2, 127: 8}[length]
        start += size
        if len(buffer) < start:
            return None
        length = int.from_bytes(buffer[2:start], "big")
    if len(buffer) < start + length:
        return None
    first, payload = buffer[0], bytes(buffer[start : start + length])
    del buffer[: start + length]
    return bool(first & 0x80), first & 0x0F, payload
