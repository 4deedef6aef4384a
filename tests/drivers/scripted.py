"""A connection that knows what must be sent, byte by byte, and what is answered."""

from qnlab.errors import Disconnected


class ScriptedStream:
    """A `ByteStream` that plays pairs of sent and answered bytes, in order.

    It fails on other bytes and, in `finish`, on what was not sent.
    """

    def __init__(self, *exchanges: tuple[bytes, bytes]) -> None:
        self._exchanges = list(exchanges)
        self._reply = b""
        self._sent = b""

    def expect(self, *exchanges: tuple[bytes, bytes]) -> None:
        self.finish()
        self._exchanges = list(exchanges)

    def finish(self) -> None:
        assert not self._exchanges, f"never sent: {self._exchanges}"
        assert not self._reply, f"never read: {self._reply!r}"

    def open(self, timeout_s: float) -> None:
        self._reply = b""

    def write(self, data: bytes, timeout_s: float) -> None:
        if not self._exchanges:
            raise Disconnected("script", f"sent {data!r} after the end of the script")
        expected, reply = self._exchanges.pop(0)
        if data != expected:
            raise Disconnected("script", f"sent {data!r} instead of {expected!r}")
        self._reply += reply

    def read(self, timeout_s: float) -> bytes:
        reply, self._reply = self._reply, b""
        return reply

    def close(self) -> None:
        pass
