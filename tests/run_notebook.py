"""Executes a notebook in a kernel of its own: ``run_notebook.py NOTEBOOK EXECUTED``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def main() -> None:
    """Execute the first file, with plots inline as in Jupyter, and write the second."""
    source, target = map(Path, sys.argv[1:])
    os.environ.pop("MPLBACKEND", None)  # the kernel chooses inline, unless it is told otherwise
    notebook = nbformat.read(source, as_version=4)
    client = NotebookClient(
        notebook, timeout=150, kernel_name="python3", resources={"metadata": {"path": "."}}
    )
    try:
        client.execute()
    finally:
        nbformat.write(notebook, target)


if __name__ == "__main__":
    main()
