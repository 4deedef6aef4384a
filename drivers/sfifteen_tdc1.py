"""S-Fifteen TDC1: four inputs, 2 ns, on a USB serial port.

=====================  ============================================  ===============================
to do                  sent                                          answered
=====================  ============================================  ===============================
who are you            ``*IDN?`` CR LF                               a line with ``TDC1``
end whatever runs      ``abort`` CR LF
threshold 0.5 V        ``POS 0.5`` CR LF, ``NEG -0.5`` below 0
read the threshold     ``level?`` CR LF                              volts, then perhaps more words
stream time tags       ``INPKT;time 0;timestamp;counts?`` CR LF      words until ``abort``
=====================  ============================================  ===============================

A word, little-endian: time in bits 31 to 5, one unit is 2 ns and it rolls over after 2^27 of them;
bits 3 to 0 name the inputs that saw a pulse then. A word with bit 4 marks a roll-over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial

import numpy as np
import numpy.typing as npt

from qnlab.bench import BenchContext, InstrumentSpec
from qnlab.drivers.driven import DrivenInstrument
from qnlab.drivers.tag_hub import TagHub
from qnlab.drivers.transports import ByteStream, Channel, open_stream, parse_address
from qnlab.errors import Busy, InstrumentError, ProtocolError
from qnlab.instruments.base import Identity, Setting
from qnlab.instruments.roles import TagStream, TimeTagger, TimeTaggerCapabilities
from qnlab.instruments.settings import Entry
from qnlab.values import Limits

BAUDRATE = 115_200
CHANNELS = (1, 2, 3, 4)
TICK_PS = 2_000
WRAP = 1 << 27
ROLL_OVER = 0x10
INPUTS = 0x0F
THRESHOLD = Limits(-1.0, 3.0, "V")
MOST_EVENTS_HZ = 4e6
QUIET_S = 0.1
SLICE_S = 0.02
UNTIL_ABORTED_S = 1e9
STOPPED_S = 0.8
FIXED_PS = Limits(0.0, 0.0, "ps")


def connect(spec: InstrumentSpec, context: BenchContext) -> SfifteenTdc1:
    """S-Fifteen TDC1.

    Raises
    ------
    BenchError
        The address is neither ``serial:PATH`` nor ``tcp:HOST:PORT`` (a serial server).
    """
    stream = open_stream(spec.name, parse_address(spec), BAUDRATE)
    return SfifteenTdc1(spec, context, stream).open()


class Decoder:
    """Words to times in ps from the first roll-over on; keeps what is not whole.

    Parameters
    ----------
    device : str
        For errors.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._rest = b""
        self._base = 0
        self._last = -1

    def decode(self, data: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], int]:
        """Times, channels, and the time before which no more tags can come.

        Raises
        ------
        ProtocolError
            A word that the unit never sends: bytes were lost.
        """
        data = self._rest + data
        whole = len(data) & ~3
        words, self._rest = np.frombuffer(data[:whole], "<u4"), data[whole:]
        if not len(words):
            return np.empty(0, np.int64), np.empty(0, np.uint8), self._until()
        patterns = words & 0x1F
        dummies = patterns & ROLL_OVER != 0
        wrong = dummies == (patterns & INPUTS != 0)
        if wrong.any():
            raise ProtocolError(
                self._device, "the words are out of step: bytes were lost on the way",
                expected="an input or a roll-over", last=f"{words[np.argmax(wrong)]:08x}",
            )  # fmt: skip
        ticks = (words >> 5).astype(np.int64)
        before = np.concatenate([[self._last], ticks[:-1]])
        ticks += self._base + WRAP * np.cumsum(ticks < before)
        self._base, self._last = int(ticks[-1] // WRAP) * WRAP, int(ticks[-1] % WRAP)
        fired = (patterns[:, None] >> np.arange(4, dtype=np.uint32)) & 1
        rows, inputs = np.nonzero(fired)
        return ticks[rows] * TICK_PS, (inputs + 1).astype(np.uint8), self._until()

    def _until(self) -> int:
        return (self._base + self._last + 1) * TICK_PS


class SfifteenTdc1(DrivenInstrument, TimeTagger):
    """The counter. All inputs share one threshold; what is not enabled is dropped on arrival.

    The unit answers nothing while it streams: its threshold then is the one read last.
    """

    def __init__(self, spec: InstrumentSpec, context: BenchContext, stream: ByteStream) -> None:
        super().__init__(spec, context, stream)
        self._enabled = dict.fromkeys(CHANNELS, True)
        self._threshold_v = 0.0
        self._streaming: Future[None] | None = None
        self._stop = False
        self._hub = TagHub(self.name, self._clock, self._enabled, self._begin, self._end)

    def _greet(self, channel: Channel) -> None:
        channel.write(b"abort\r\n")
        channel.drain(QUIET_S)
        self._idn = self._ask(channel, "*IDN?")
        if "TDC1" not in self._idn:
            raise ProtocolError(
                self.name, "another model", command="*IDN?", expected="TDC1", last=self._idn
            )
        self._threshold_v = self._read_level(channel)

    def _entries(self) -> Mapping[str, Entry]:
        self.capabilities = TimeTaggerCapabilities(
            channels=CHANNELS,
            resolution_ps=TICK_PS,
            jitter_rms_ps=TICK_PS / math.sqrt(12),
            dead_time_ps=FIXED_PS,
            delay_ps=FIXED_PS,
            threshold_v=Limits(self._threshold_v, self._threshold_v, "V"),
            max_rate_hz=MOST_EVENTS_HZ,
            streaming=True,
            external_reference=False,
        )
        entries = {
            f"ch{n}.enabled": Entry(
                "", partial(self._enabled.__getitem__, n), partial(self._enable, n)
            )
            for n in CHANNELS
        }
        level = Entry("V", self._level, self._set_level, THRESHOLD)
        return {**entries, "threshold_v": level}

    @property
    def identity(self) -> Identity:
        """The unit tells its model only: its whole answer stands for the serial number."""
        return Identity("S-Fifteen", "TDC1", self._idn, "not told", self._simulated)

    # --- the conversation -----------------------------------------------------------------------

    def _ask(self, channel: Channel, command: str) -> str:
        channel.write(command.encode("ascii") + b"\r\n")
        return channel.read_until(b"\r\n").decode("latin-1").strip()

    def _read_level(self, channel: Channel) -> float:
        reply = self._ask(channel, "level?")
        try:
            return float(reply.split()[0])
        except (ValueError, IndexError) as error:
            raise ProtocolError(
                self.name, "no threshold", command="level?", expected="volts", last=reply
            ) from error

    def _stream(self, channel: Channel) -> None:
        """Read words until told to stop."""
        decoder = Decoder(self.name)
        channel.write(b"INPKT;time 0;timestamp;counts?\r\n")
        while not self._stop:
            if data := channel.read_some(SLICE_S):
                self._hub.feed(*decoder.decode(data))
        channel.write(b"abort\r\n")
        channel.drain(QUIET_S)

    # --- the role -------------------------------------------------------------------------------

    def _level(self) -> float:
        if self._streaming is None:
            self._threshold_v = self.link.run(self._read_level, command="level?")
        return self._threshold_v

    def _set_level(self, value: Setting) -> None:
        volts = float(value)
        command = f"{'NEG' if volts < 0 else 'POS'} {volts:.3f}"
        if self._streaming is not None:
            raise Busy(self.name, "takes no threshold while it streams", command=command)
        self.link.run(lambda channel: channel.write(f"{command}\r\n".encode()), command=command)

    def _enable(self, n: int, value: Setting) -> None:
        self._enabled[n] = bool(value)

    def _begin(self) -> None:
        self._stop = False
        self._streaming = self.link.submit(
            self._stream, command="timestamp", timeout_s=UNTIL_ABORTED_S
        )
        self._streaming.add_done_callback(self._ended)

    def _ended(self, streaming: Future[None]) -> None:
        error = streaming.exception()
        if isinstance(error, InstrumentError):
            self._hub.fail(error)

    def _end(self) -> None:
        self._stop = True
        if self._streaming is not None:
            self._streaming.exception(STOPPED_S)
            self._streaming = None

    def counts(self, duration_s: float) -> dict[int, int]:
        return self._hub.counts(duration_s)

    def open_stream(self, channels: Sequence[int] | None = None) -> TagStream:
        return self._hub.open(channels)

    def safe_state(self) -> None:
        self._hub.close()

    def reconnect(self) -> None:
        self._hub.close()
        super().reconnect()

    def close(self) -> None:
        self._hub.close()
        super().close()
