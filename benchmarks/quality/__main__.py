"""Run as ``python -m benchmarks.quality``."""

from __future__ import annotations

import os

# Before numpy is loaded, here and in the processes that this one starts.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from benchmarks.quality.cli import main  # noqa: E402 - numpy reads the limits when it is loaded

if __name__ == "__main__":
    raise SystemExit(main())
