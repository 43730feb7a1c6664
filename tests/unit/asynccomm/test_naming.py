"""What the processes of a run are called."""

from __future__ import annotations

import re

from bandmaster.asynccomm.naming import unique_worker, worker_name


def test_workers_that_look_alike_have_different_names() -> None:
    """Containers with one host's name and pid 1 each would take each other's jobs otherwise."""
    names = {unique_worker("node", 1, 0) for _ in range(3)}
    assert len(names) > 1
    assert all(re.fullmatch(r"node\.1-[0-9a-f]{4}\.0", name) for name in names)


def test_registered_names_have_no_odd_characters() -> None:
    """A host or a worker_id may have any; the name server takes letters, digits and a few more."""
    assert "bandmaster.r.worker.node.1-0f3a.GPU_0_" == worker_name("r", "node.1-0f3a.GPU 0!")
    assert 200 == len(worker_name("r", "node.1-0f3a." + "x" * 300))
