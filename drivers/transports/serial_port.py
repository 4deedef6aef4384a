"""Bytes over a serial port, a USB one included."""

from __future__ import annotations

import time
from typing import Any

import serial

from qnlab.errors import Disconnected, Timeout

POLL_S = 0.02


class SerialStream:
    """A serial port, 8 data bits, no parity, 1 stop bit, opened for nobody else.

    Parameters
    ----------
    device : str
        Name of the instrument, for errors.
    path : str
        ``/dev/ttyUSB0``, ``COM3``.
    baudrate : int
        Ignored by USB devices that only look like a serial port.
    rtscts : bool
        Hardware flow control.
    """

    def __init__(self, device: str, path: str, baudrate: int, *, rtscts: bool = False) -> None:
        self._device = device
        self._path = path
        self._options = {"baudrate": baudrate, "rtscts": rtscts, "exclusive": True}
        self._port: Any = None

    def open(self, timeout_s: float) -> None:
        self.close()
        try:
            self._port = serial.Serial(
                self._path, timeout=POLL_S, write_timeout=max(timeout_s, POLL_S), **self._options
            )
        except (OSError, ValueError) as error:
            raise Disconnected(
                self._device, f"no serial port {self._path}: {error}", command="open"
            ) from error

    def write(self, data: bytes, timeout_s: float) -> None:
        port = self._connected("write")
        try:
            port.write(data)
        except serial.SerialTimeoutException as error:
            raise Timeout(self._device, "the device takes no more bytes", last=data) from error
        except OSError as error:
            raise self._gone("write", error) from error

    def read(self, timeout_s: float) -> bytes:
        port = self._connected("read")
        deadline = time.monotonic() + timeout_s
        try:
            while not (waiting := port.in_waiting):
                left = deadline - time.monotonic()
                if left <= 0:
                    return b""
                if first := port.read(1):
                    return bytes(first + port.read(port.in_waiting))
            return bytes(port.read(waiting))
        except OSError as error:
            raise self._gone("read", error) from error

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def _connected(self, command: str) -> Any:
        if self._port is None:
            raise Disconnected(self._device, "not connected: reconnect first", command=command)
        return self._port

    def _gone(self, command: str, error: OSError) -> Disconnected:
        self.close()
        return Disconnected(self._device, f"the connection broke: {error}", command=command)
