"""Quantum key distribution: key-length bounds, post-processing and the BB84 procedure."""
