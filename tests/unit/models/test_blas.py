"""Linear algebra in the calling thread alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy  # noqa: F401 - brings the BLAS that is limited here
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from bandmaster.models.blas import one_thread


def threads() -> set[int]:
    """Return how many threads the libraries would use."""
    controller = ThreadpoolController().select(user_api="blas")
    return {library.num_threads for library in controller.lib_controllers}


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Let there be a limit that can be seen, also on one core and where CI sets one."""
    with threadpool_limits(2, user_api="blas"):
        yield


def test_the_limit_holds_inside_and_is_lifted_after() -> None:
    """Also when it is nested, and when something is raised inside."""
    assert {2} == threads()
    with one_thread():
        with one_thread():
            assert {1} == threads()
        assert {1} == threads()
    assert {2} == threads()
    try:
        with one_thread():
            raise ValueError("inside")
    except ValueError:
        assert {2} == threads()


def test_the_limit_holds_until_the_last_thread_has_left() -> None:
    """Who is inside is limited also after another thread, that went in before, has left."""
    first, second = one_thread(), one_thread()
    with ThreadPoolExecutor(1) as other:
        first.__enter__()
        other.submit(second.__enter__).result()
        first.__exit__(None, None, None)
        assert {1} == threads()
        other.submit(second.__exit__, None, None, None).result()
    assert {2} == threads()


def test_a_library_that_comes_later_is_limited_too() -> None:
    """SciPy brings a BLAS of its own."""
    with one_thread():
        pass
    import scipy.linalg

    with threadpool_limits(2, user_api="blas"), one_thread():
        assert {1} == threads()
        assert 1.0 == scipy.linalg.det([[1.0]])


def test_a_library_that_comes_while_somebody_is_inside_is_limited_too() -> None:
    """Who goes in then limits it; what was before is restored when all have left."""
    with one_thread(), threadpool_limits(2, user_api="blas"):
        with one_thread():
            assert {1} == threads()
        assert {1} == threads()
    assert {2} == threads()
