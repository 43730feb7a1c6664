"""Distributed multi-fidelity hyper-parameter search."""
