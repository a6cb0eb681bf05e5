"""Simulated drivers of every kind: deterministic, with latencies and faults to order, on a world that outlives its process."""
