"""Messages that are lines."""

from __future__ import annotations

import re


def cut_lines(received: bytearray, ends: bytes = b"\r\n") -> list[bytes]:
    """Take complete lines out of `received`, each ended by any of the bytes `ends`.

    Empty lines, as between CR and LF, are left out.
    """
    *lines, rest = re.split(b"[" + re.escape(ends) + b"]", bytes(received))
    received[:] = rest
    return [line for line in lines if line]
