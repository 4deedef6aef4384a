"""Ready benches."""
