"""Wire simulators: servers on the world's ports that speak the protocols of real instruments."""

from qnlab.sim_backends.wire.base import Device, Wire, port_of
from qnlab.sim_backends.wire.faults import Faults, Kind
from qnlab.sim_backends.wire.servers import serve_pty, serve_tcp

__all__ = ["Device", "Faults", "Kind", "Wire", "port_of", "serve_pty", "serve_tcp"]
