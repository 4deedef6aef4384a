"""Quantum key distribution: protocols, their two halves, and key post-processing."""
