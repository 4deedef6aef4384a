"""Where wire simulators listen: loopback TCP sockets and pseudo-terminals."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import shutil
import socket
import tempfile
import threading
import tty
from pathlib import Path
from typing import Any

from qnlab.sim_backends.wire.base import Device, Talker, Wire
from qnlab.sim_backends.wire.faults import Faults

READ_BYTES = 65_536
WRITE_BYTES = 1024
MOST_UNSENT = 256


class _Session:
    """One connection: bytes in, replies out."""

    def __init__(self, device: Device, faults: Faults, lock: threading.Lock) -> None:
        self._device = device
        self._faults = faults
        self._lock = lock
        self._received = bytearray()

    def take(self, data: bytes) -> list[bytes]:
        """The replies to all messages that `data` completes."""
        if self._faults.frozen:
            return []
        self._received += data
        with self._lock:
            replies = [self._device.answer(m) for m in self._device.cut(self._received)]
        return [reply for reply in replies if reply]


class _TcpServer:
    def __init__(self, device: Device, faults: Faults) -> None:
        self._device = device
        self._faults = faults
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        host, port = self._server.getsockname()
        self.address = f"tcp:{host}:{port}"
        self._open: set[socket.socket] = set()
        self._threads = [self._start(self._accept)]

    def _start(self, target: Any, *args: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, name="wire", daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            self._threads.append(self._start(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        session = _Session(self._device, self._faults, self._lock)

        def hang_up() -> None:
            connection.shutdown(socket.SHUT_RDWR)

        with connection, contextlib.suppress(OSError):
            while data := connection.recv(READ_BYTES):
                for reply in session.take(data):
                    self._faults.send(reply, connection.sendall, hang_up)
        self._open.discard(connection)

    def close(self) -> None:
        self._faults.end()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._threads[0].join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()


class _PtyServer:
    """A pseudo-terminal behind a link with a name that stays, as udev makes them."""

    def __init__(self, name: str, device: Device, faults: Faults) -> None:
        self._device = device
        self._faults = faults
        self._folder = Path(tempfile.mkdtemp(prefix="qnlab-wire-"))
        self._path = self._folder / name
        self.address = f"serial:{self._path}"
        self._wake_read, self._wake_write = os.pipe()
        self._push_read, self._push_write = os.pipe()
        self._plug_in()
        self._closed = False
        self._unasked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="wire", daemon=True)
        self._thread.start()
        self._hush = device.speak(self._push) if isinstance(device, Talker) else None

    def _plug_in(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        fresh = self._path.with_suffix(".new")
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self._path)

    def _hang_up(self) -> None:
        """Whoever notices finds the new line at once under the old name."""
        old = (self._slave, self._master)
        self._plug_in()
        for end in old:
            os.close(end)

    def _serve(self) -> None:
        lock = threading.Lock()
        session = _Session(self._device, self._faults, lock)
        while True:
            listening = [self._master, self._wake_read, self._push_read]
            ready, _, _ = select.select(listening, [], [])
            if self._wake_read in ready:
                return
            master = self._master
            for reply in self._due(session, ready):
                self._faults.send(reply, self._write, self._hang_up)
            if self._master != master:
                session = _Session(self._device, self._faults, lock)

    def _due(self, session: _Session, ready: list[int]) -> list[bytes]:
        """What is to be sent now: what the device said unasked, or replies."""
        if self._push_read in ready:
            os.read(self._push_read, 1)
            data = self._unasked.get()
            return [] if self._faults.frozen else [data]
        return session.take(os.read(self._master, READ_BYTES))

    def _push(self, data: bytes) -> None:
        """Send `data` in its turn; it is lost where nobody takes what is before it."""
        if self._unasked.qsize() < MOST_UNSENT:
            self._unasked.put(data)
            os.write(self._push_write, b"x")

    def _write(self, data: bytes) -> None:
        """All of it, unless the server is closed before the other side has taken it."""
        while data:
            ended, _, _ = select.select([self._wake_read], [self._master], [])
            if ended:
                return
            data = data[os.write(self._master, data[:WRITE_BYTES]) :]

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._faults.end()
        if self._hush is not None:
            self._hush()
        os.write(self._wake_write, b"x")
        self._thread.join()
        os.close(self._slave)
        os.close(self._master)
        os.close(self._wake_read)
        os.close(self._wake_write)
        os.close(self._push_read)
        os.close(self._push_write)
        shutil.rmtree(self._folder)


def serve_tcp(port: object, device: Device) -> Wire:
    """Let `device` listen on a free TCP port of this machine."""
    faults = Faults()
    server = _TcpServer(device, faults)
    return Wire(server.address, port, device, faults, server.close)


def serve_pty(name: str, port: object, device: Device) -> Wire:
    """Let `device` listen on a pseudo-terminal; `name` is the last part of its path."""
    faults = Faults()
    server = _PtyServer(name, device, faults)
    return Wire(server.address, port, device, faults, server.close)
