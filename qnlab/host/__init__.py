"""The bench host: owns instruments, procedures, recording and alarms; all others are clients."""

from qnlab.host.host import Host

__all__ = ["Host"]
