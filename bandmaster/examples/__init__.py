"""What the demo and the example scripts import: real problems to tune."""
