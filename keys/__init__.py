"""Secret keys: the store, delivery and audit."""

if __name__ != "qnlab.keys":
    raise ImportError("import this package as qnlab.keys, not as " + __name__)
