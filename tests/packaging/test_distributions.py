"""What is built can be installed, alone, and works there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

import bandmaster

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "demo-output",
    ".hypothesis",
)  # fmt: skip


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program outside the checkout; its error output explains a failure."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """Build the sdist from a copy of the checkout, and the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("packaging")
    shutil.copytree(root, folder / "source", ignore=NOT_COPIED)
    out = folder / "dist"
    run(sys.executable, "-m", "build", "--outdir", out, folder / "source", cwd=folder)
    return out


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    """Return the wheel."""
    (path,) = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Install the wheel into a new environment and return its bin folder.

    What it needs is lent by the environment of the tests, so that nothing is downloaded again.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", with_pip=False)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--python", folder / "env" / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    lent = [p for p in sys.path if p.endswith("site-packages")]
    (site / "lent.pth").write_text("\n".join(lent) + "\n")
    return folder / "env" / "bin"


def test_the_wheel_is_complete(wheel: Path, root: Path) -> None:
    """Every module of the checkout, the type marker and the licence are in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {p.relative_to(root).as_posix() for p in (root / "bandmaster").rglob("*.py")}
    assert set() == modules - names
    assert "bandmaster/py.typed" in names
    assert "bandmaster/examples/automl.py" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {"bandmaster", f"bandmaster-{bandmaster.__version__}.dist-info"} == {
        name.partition("/")[0] for name in names
    }


def test_the_sdist_can_be_tested(distributions: Path) -> None:
    """Who has only the sdist has the tests, the examples and the Makefile."""
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "Makefile", "README.md", "setup.cfg", "setup.py", "tests/conftest.py"}
    assert set() == wanted - names


def test_the_installed_wheel_works(installed: Path, tmp_path: Path) -> None:
    """In an environment of its own, the package imports from there and searches."""
    code = (
        "import bandmaster, importlib.resources\n"
        "assert importlib.resources.files('bandmaster').joinpath('py.typed').is_file()\n"
        "space = {'x': {'_type': 'uniform', '_value': [-5, 5]}}\n"
        "result = bandmaster.fmin(lambda config: config['x'] ** 2, space, optimizer='Random',\n"
        "                         n_iterations=5, show_progressbar=False)\n"
        "print(bandmaster.__file__, len(result.evaluations))\n"
    )
    where, count = run(installed / "python", "-c", code, cwd=tmp_path).split()
    assert Path(where).is_relative_to(installed.parent)
    assert count == "5"


def test_the_console_script_works(installed: Path, tmp_path: Path) -> None:
    """`bandmaster --version` is on the path after an install."""
    expected = f"bandmaster, version {bandmaster.__version__}\n"
    assert expected == run(installed / "bandmaster", "--version", cwd=tmp_path)


def test_setup_cfg_bounds_every_requirement(root: Path) -> None:
    """Every library has a lower bound, so that an old one cannot be taken for a working one."""
    config = ConfigParser()
    config.read(root / "setup.cfg")
    extras = "\n".join(config["options.extras_require"].values())
    lines = [*config["options"]["install_requires"].split("\n"), *extras.split("\n")]
    wanted = [line for line in lines if line.strip() and not line.startswith("bandmaster[")]
    assert [line for line in wanted if ">=" not in line] == []
