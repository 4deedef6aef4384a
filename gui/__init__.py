"""The Qt desktop client of a bench host."""

if __name__ != "qnlab.gui":
    raise ImportError("import this package as qnlab.gui, not as " + __name__)
