"""Benchmarks of qnlab against stated goals and against other people's software."""
