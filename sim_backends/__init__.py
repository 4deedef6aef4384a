"""The simulated bench: the physics (world), the roles on its ports (devices), wire simulators."""

if __name__ != "qnlab.sim_backends":
    raise ImportError("import this package as qnlab.sim_backends, not as " + __name__)
