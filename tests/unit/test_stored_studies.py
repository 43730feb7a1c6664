"""Stored studies through the public faces: listed, deleted, held, waited for."""

import threading

import pytest

from bandmaster import Master, RandomOptimizer, Study, fmin
from bandmaster.errors import ConfigurationError, StorageError, StudyBusyError
from bandmaster.storage import open_storage

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


def make(url, name, **options):
    return Study(SPACE, optimizer="Random", name=name, storage=url, **options)


def test_studies_are_listed_and_deleted(url):
    """By URL or in an open storage, with who writes each; one that is not there is named."""
    make(url, "a").close()
    with make(url, "b") as study:
        study.ask()
        (a, b) = Study.list_studies(url)
        assert [("a", 1, True), ("b", 2, False)] == [
            (s.name, s.n_events, s.writer is None) for s in (a, b)
        ]
    with open_storage(url) as storage:
        Study.delete_study("b", storage)
        assert ["a"] == [s.name for s in Study.list_studies(storage)]
    Study.delete_study("a", url)
    assert [] == Study.list_studies(url)
    with pytest.raises(StorageError, match="no study 'a'"):
        Study.delete_study("a", url)


@pytest.mark.parametrize(
    "look",
    [
        Study.list_studies,
        lambda url: Study.load("a", url),
        lambda url: Study.delete_study("a", url),
        lambda url: Study.delete_study("a", url, force=True),
    ],
)
def test_to_look_at_a_storage_does_not_make_it(url, tmp_path, look):
    """A mistyped name is an error."""
    with pytest.raises(StorageError, match=r"no file .*studies\.db"):
        look(url)
    assert not list(tmp_path.glob("*.db*"))


def test_a_study_that_is_being_written_is_deleted_by_force_only(url):
    """Its writer then hears that it was deleted."""
    study = make(url, "a")
    with pytest.raises(StudyBusyError, match="force=True"):
        Study.delete_study("a", url)
    study.ask()
    Study.delete_study("a", url, force=True)
    with pytest.raises(StorageError, match="deleted"):
        study.ask()
    study.close()


def test_a_second_one_is_refused_or_stands_by(url):
    """The error says how to wait; one that waits has the study when the first closes it."""
    first = make(url, "a", lease_seconds=2)
    with pytest.raises(StudyBusyError, match="standby=True"):
        make(url, "a", load_if_exists=True)
    with pytest.raises(StudyBusyError, match="standby=True"):
        fmin(lambda config: 1.0, SPACE, storage=url, study_name="a")
    loaded = []
    thread = threading.Thread(
        target=lambda: loaded.append(Study.load("a", url, standby=True, lease_seconds=2))
    )
    thread.start()
    first.ask()
    assert [] == loaded
    first.close()
    thread.join(10)
    (second,) = loaded
    with second:
        assert 1 == second.n_jobs


def test_who_stands_by_has_something_to_stand_by_for():
    """Standing by without a storage is a mistake, wherever it is made."""
    with pytest.raises(ConfigurationError, match="storage"):
        Study(SPACE, standby=True)
    with pytest.raises(ConfigurationError, match="storage"):
        fmin(lambda config: 1.0, SPACE, standby=True)
    with pytest.raises(ConfigurationError, match="checkpoint_file"):
        Master("run", RandomOptimizer(), config_space=SPACE, standby=True)


def test_who_stands_by_wants_to_go_on(url, caplog):
    """Waiting for a study that is there only to refuse it would be for nothing."""
    with make(url, "a"), pytest.raises(ConfigurationError, match="load_if_exists=True"):
        make(url, "a", standby=True)
    assert "Standing by" not in caplog.text


def test_a_checkpoint_file_may_be_a_url(tmp_path, url):
    """A file's name and its URL mean the same study."""
    fmin(lambda config: 1.0, SPACE, n_iterations=2, checkpoint_file=url, show_progressbar=False)
    result = fmin(
        lambda config: 1.0, SPACE, n_iterations=3, checkpoint_file=tmp_path / "studies.db",
        show_progressbar=False,
    )  # fmt: skip
    assert 3 == len(result.evaluations)


@pytest.mark.parametrize("option", ["job_timeout", "warn_after", "lease_seconds"])
@pytest.mark.parametrize("value", [0, float("inf"), "5"])
def test_a_master_that_is_not_made_holds_nothing(url, option, value):
    """A wrong time is named, and the next master has the file."""
    with pytest.raises(ConfigurationError, match=option):
        Master("a", RandomOptimizer(), config_space=SPACE, checkpoint_file=url, **{option: value})
    Master("a", RandomOptimizer(), config_space=SPACE, checkpoint_file=url).shutdown()


def test_a_study_hears_that_it_was_taken_though_nothing_happens(url):
    """Who waits for a change of it is woken."""
    with make(url, "a", lease_seconds=0.6) as study:
        study.wait_durable(study.position)
        with open_storage(url) as storage:
            storage.revoke("a")
        assert study.wait_for(lambda: False, 10)
        assert study.poisoned


def test_a_search_whose_study_is_taken_ends_with_the_reason():
    """What is raised says who or what took it, not only that the study has to be loaded again."""
    with open_storage("memory://") as storage:

        def objective(config):
            storage.revoke("a")
            return 1.0

        with pytest.raises(StorageError, match="'a' is closed or was taken over"):
            fmin(
                objective, SPACE, storage=storage, study_name="a", n_iterations=5,
                show_progressbar=False,
            )  # fmt: skip


@pytest.mark.parametrize(
    "mistake",
    [
        {"n_iterations": None},
        {"timeout": -1},
        {"catch": (3,)},
        {"initial_points": [{"x": 0.5}, {"x": 7}]},
        {"max_initial_failures": 0},
        {"sigterm_grace": "10"},
        {"job_timeout": 0},
        {"checkpoint_store": 3},
        {"checkpoint_store": "nowhere://x"},
        {"keep_checkpoints": "best"},
    ],
)
def test_a_call_that_is_refused_leaves_nothing_in_the_storage(url, mistake):
    """The next one begins as if there had been none: its points are evaluated once."""
    options = {
        "storage": url, "optimizer": "Random", "show_progressbar": False, "n_iterations": 3,
        "initial_points": [{"x": 0.5}],
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"."):
        fmin(lambda config: 1.0, SPACE, **{**options, **mistake})
    with open_storage(url) as storage:
        assert [] == storage.list_studies()
    result = fmin(lambda config: 1.0, SPACE, **options)
    assert 1 == [e.config["x"] for e in result.evaluations].count(0.5)


def test_points_of_a_search_that_never_began_are_not_taken_twice(url):
    """They are in the storage already."""
    options = {
        "storage": url, "optimizer": "Random", "show_progressbar": False, "n_iterations": 3,
        "initial_points": [{"x": 0.5}], "handle_signals": False,
    }  # fmt: skip

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fmin(lambda config: 1.0, SPACE, **{**options, "show_progressbar": interrupted})
    result = fmin(lambda config: 1.0, SPACE, **options)
    assert 1 == [e.config["x"] for e in result.evaluations].count(0.5)
