"""Lab procedures: calibration, QKD, quantum memory, network."""

if __name__ != "qnlab.procedures":
    raise ImportError("import this package as qnlab.procedures, not as " + __name__)
