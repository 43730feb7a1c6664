"""A user's files may have the names of our folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import Program, bandmaster

SCRIPT = '''
"""A worker, a master and a name server beside files that are called as our folders are."""

import plotting
import optimizers
import multifidelity
import asynccomm

from bandmaster import HyperBandIterGenerator, Master, NameServer, RandomOptimizer, Worker


class OwnWorker(Worker):
    def compute(self, config, budget):
        return optimizers.loss(config["x"]) + plotting.OFFSET + 1 / budget


if __name__ == "__main__":
    generator = HyperBandIterGenerator(1, 4, 2)
    optimizer = RandomOptimizer()
    optimizer.initialize({"x": {"_type": "uniform", "_value": [0, 1]}}, generator.get_budgets())
    with NameServer() as names:
        worker = OwnWorker(run_id=names.run_id)
        worker.run(background=True, concurrent_type="CONCURRENT")
        master = Master(
            run_id=names.run_id, optimizer=optimizer, iter_generator=generator,
        )
        try:
            result = master.run(n_iterations=2)
        finally:
            master.shutdown(shutdown_workers=True)
    assert result.best_loss > plotting.OFFSET, result.best_loss
    figure_axes = result.plot_finished_over_time()
    print("plotted", type(figure_axes).__name__, len(result.failures), "failures")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a plotting.py and folders like ours."""
    (tmp_path / "plotting.py").write_text('"""Mine."""\n\nOFFSET = 1000\n')
    for name in ("optimizers", "multifidelity", "asynccomm"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('"""Mine."""\n')
    (tmp_path / "optimizers" / "__init__.py").write_text("def loss(x):\n    return x * x\n")
    (tmp_path / "objective.py").write_text(
        "import optimizers, plotting\n\n\n"
        "def evaluate(config, budget):\n"
        "    return optimizers.loss(config['x']) + plotting.OFFSET\n"
    )
    (tmp_path / "space.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')
    return tmp_path


@pytest.mark.parametrize("concurrent_type", ["thread", "process"])
def test_a_script_with_neighbours(folder: Path, concurrent_type: str) -> None:
    """A script beside files named as our folders gets its own files, and we get ours."""
    script = folder / "script.py"
    script.write_text(SCRIPT.replace("CONCURRENT", concurrent_type))
    with Program([script], cwd=folder) as program:
        assert program.finish(60) == 0, program
        assert "plotted Axes 0 failures" in program.out
        assert [] == program.bad_lines


def test_the_command_line_with_neighbours(folder: Path) -> None:
    """The same for the programs that are started in such a folder."""
    run = ("--run-id", "neighbours")
    nameserver = Program(bandmaster("nameserver", *run), cwd=folder)
    worker = Program(bandmaster("worker", "objective:evaluate", *run), cwd=folder)
    master = Program(
        bandmaster("master", "space.json", *run, "--generator", "flat", "--n-trials", "5",
                   "--optimizer", "Random"),
        cwd=folder,
    )  # fmt: skip
    with nameserver:
        nameserver.wait_for(lambda p: "connection file:" in p.out)
        with worker, master:
            assert master.finish() == 0, master
            assert worker.finish() == 0, worker
    assert "1000." in master.out
    assert [] == worker.bad_lines + master.bad_lines
