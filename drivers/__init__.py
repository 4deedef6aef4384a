"""Drivers of real instruments and the transports they speak through."""

if __name__ != "qnlab.drivers":
    raise ImportError("import this package as qnlab.drivers, not as " + __name__)
