"""Bytes over TCP."""

from __future__ import annotations

import contextlib
import socket

from qnlab.errors import Disconnected, Timeout

READ_BYTES = 65_536
SHORTEST_S = 1e-3


class TcpStream:
    """A TCP connection.

    Parameters
    ----------
    device : str
        Name of the instrument, for errors.
    host : str
    port : int
    """

    def __init__(self, device: str, host: str, port: int) -> None:
        self._device = device
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def open(self, timeout_s: float) -> None:
        self.close()
        try:
            self._socket = socket.create_connection(self._address, max(timeout_s, SHORTEST_S))
        except OSError as error:
            host, port = self._address
            raise Disconnected(
                self._device, f"no connection to {host}:{port}: {error}", command="open"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes, timeout_s: float) -> None:
        connection = self._connected("write")
        connection.settimeout(max(timeout_s, SHORTEST_S))
        try:
            connection.sendall(data)
        except TimeoutError as error:
            raise Timeout(self._device, "the device takes no more bytes", last=data) from error
        except OSError as error:
            raise self._gone("write", error) from error

    def read(self, timeout_s: float) -> bytes:
        connection = self._connected("read")
        connection.settimeout(timeout_s)
        try:
            data = connection.recv(READ_BYTES)
        except (TimeoutError, BlockingIOError):
            return b""
        except OSError as error:
            raise self._gone("read", error) from error
        if not data:
            self.close()
            raise Disconnected(self._device, "the device hung up", command="read")
        return data

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connected(self, command: str) -> socket.socket:
        if self._socket is None:
            raise Disconnected(self._device, "not connected: reconnect first", command=command)
        return self._socket

    def _gone(self, command: str, error: OSError) -> Disconnected:
        self.close()
        return Disconnected(self._device, f"the connection broke: {error}", command=command)
