"""What a procedure may ask of a device: one small interface a role, and its contract suite."""

if __name__ != "qnlab.instruments":
    raise ImportError("import this package as qnlab.instruments, not as " + __name__)
