"""The HTML view of a result."""

from __future__ import annotations

import base64
import math
import re
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

VOID = {"img", "br", "hr", "meta"}
EVIL = (
    "</pre><script>alert(1)</script><img src=x onerror=alert(2)>' \" & \u202e\udc80\x00\x1b $x^{$"
)


class _Page(HTMLParser):
    """Checks that tags are closed in order; collects tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert [] == self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        self.text += data

    def find(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def charts(self):
        """The two charts, parsed."""
        sources = [a["src"].partition("base64,")[2] for a in self.find("img")]
        return [ET.fromstring(base64.b64decode(source)) for source in sources]


def _page(*rows, **options):
    return _Page(Result(make_history(*rows), **options)._repr_html_())


def _words(chart):
    return [element.text for element in chart.iter() if element.tag.endswith("text")]


def _paths(chart):
    """Return the lines of a chart, without axes, as pairs of end points and colour."""
    found = [e for e in chart.iter() if e.tag.endswith("path")]
    return [e.get("d") for e in found if e.get("fill") == "none"]


def test_it_says_what_was_found_and_how():
    """Counts, the incumbent with its configuration, the table, two charts, the workers."""
    result = Result(make_hyperband_history(), budgets=(0.25, 0.5, 1.0))
    page = _Page(result._repr_html_())
    assert "130 evaluations of 90 configurations · 2 workers, 93% busy" in page.text
    assert f"Best loss: {result.best_loss:.4f} at budget 1" in page.text
    assert f"(trial {result.best_trial}, after" in page.text
    assert all(f"'{name}': {value!r}," in page.text for name, value in result.best_config.items())
    assert "Num Configs" in page.text
    best, finished = page.charts
    assert ["Best loss by budget", "1", "1/2", "1/4"] == _words(best)[:4]
    assert [3, 3] == [len(_paths(chart)) for chart in (best, finished)]
    assert "failed" not in page.text


def test_of_very_many_budgets_the_largest_are_drawn():
    """And it says of how many; up to as many as fit there is nothing to say."""
    page = _page(*(make_evaluation(i, 1.0 + i, budget=1.0 + i) for i in range(30)))
    assert [24, 24] == [len(_paths(chart)) for chart in page.charts]
    assert "Drawn are the largest 24 of 30 budgets." in page.text
    few = _page(*(make_evaluation(i, 1.0 + i, budget=1.0 + i) for i in range(24)))
    assert "Drawn are" not in few.text


def test_failures_are_grouped_by_their_last_line_and_linked():
    """The most frequent first; each has its evaluations and the last traceback."""
    errors = [
        "Traceback:\n  f(1)\nValueError: no luck",
        "OOM",
        "Traceback:\n  f(2)\nValueError: no luck",
    ]
    page = _page(
        make_evaluation(0, 0.5),
        *(make_evaluation(i, None, error=e, budget=3.0) for i, e in enumerate(errors, 1)),
        make_evaluation(4, None, status=Status.STOPPED),
    )
    (link,) = page.find("a")
    assert link["href"].removeprefix("#") in [attrs.get("id") for _, attrs in page.tags]
    assert "3 failed evaluations" in page.text
    assert page.text.index("2 × ValueError: no luck") < page.text.index("1 × OOM")
    assert "job 1 (trial 1, budget 3, w0), job 3 (trial 3, budget 3, w0)" in page.text
    assert "f(2)" in page.text
    assert "f(1)" not in page.text
    assert "1 of 5 evaluations were stopped early." in page.text


def test_two_results_on_a_page_have_different_anchors():
    """Also the same result shown twice."""
    result = Result(make_history(make_evaluation(0, None)))
    first, second = (_Page(result._repr_html_()).find("a")[0]["href"] for _ in range(2))
    assert first != second


def test_without_a_success_it_says_so():
    """And draws what there is to draw."""
    page = _page(make_evaluation(0, None))
    assert "No evaluation has succeeded." in page.text
    assert "none has succeeded" in _words(page.charts[0])
    assert 1 == len(_paths(page.charts[1]))
    assert "1 evaluation of 1 configuration · 1 worker, 100% busy · 1 s · 1 failed" in page.text


def test_a_page_of_many_failures_stays_short():
    """A dozen kinds, ten evaluations of each, both ends of a long traceback."""
    rows = [make_evaluation(i, None, error="x" * 50_000 + f"\nkind {i % 40}") for i in range(800)]
    text = Result(make_history(*rows))._repr_html_()
    assert 150_000 > len(text)
    page = _Page(text)
    assert "and 560 more of 28 other kinds" in page.text
    assert "and 10 more" in page.text


def test_many_workers_are_summed_up():
    """A dozen are shown, the rest is counted."""
    page = _page(*(make_evaluation(i, 0.5, worker=f"w{i}") for i in range(60)))
    assert 12 == len(page.find("meter"))
    assert "and 48 more workers" in page.text


def test_hostile_words_are_text():
    """As name of a parameter, value, metric, worker and error; nothing in it can be a tag."""
    row = make_evaluation(1, 0.5, config={EVIL: EVIL}, worker=EVIL, metrics={EVIL: 0.5})
    page = _page(
        row,
        make_evaluation(2, None, config={EVIL: [EVIL]}, worker=EVIL, error=f"{EVIL}\n{EVIL}"),
        objectives=Objectives([Metric(EVIL), Metric(EVIL + "2", "constraint", threshold=1.0)]),
    )
    known = {"div", "p", "b", "a", "table", "thead", "tbody", "tr", "th", "td", "details",
             "summary", "pre", "img", "meter"}  # fmt: skip
    assert {tag for tag, _ in page.tags} <= known
    handlers = [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert [] == handlers
    assert 2 == len(page.find("img"))
    assert page.text.count("<script>alert(1)</script>") >= 5
    assert not re.search("[\u202e\udc80\x00\x1b]", page.text)
    page.text.encode()
    assert "mathjax_ignore" in page.tags[0][1]["class"]
    assert "Best </pre>" in _words(page.charts[0])[0]
    assert "Each success breaks a constraint." in page.text
    assert not re.search("[\u202e\udc80\x00\x1b]", repr(Result(make_history(row))))


@pytest.mark.parametrize(
    "losses",
    [
        [0.0, 0.0],
        [-1e308, -1.7e308, 1.7e308],
        [1.7e308, 1.5e308],
        [5e-324, 1e-323],
        [1e-9, 1e9, 1.0],
        [1.0, 1.0 + 1e-15],
        [-3.0, -0.5],
        [math.nan, 0.5],
        [2.0, 19.0, 25.0],
    ],
)
def test_losses_of_any_size_are_drawn(losses):
    """Finite coordinates inside the chart, and a tick at least."""
    page = _page(*(make_evaluation(i, loss) for i, loss in enumerate(sorted(losses, reverse=True))))
    for chart in page.charts:
        (line,) = _paths(chart)
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", line)]
        assert all(0 <= n <= 430 for n in numbers)
        assert "nan" not in ET.tostring(chart, encoding="unicode")
        ticks = [e for e in chart.iter() if e.get("stroke-opacity") == "0.3"]
        assert ticks or not any(losses)


def test_evaluations_of_a_previous_result_are_counted_apart():
    """They are in no chart, since their time is none of this search's."""
    old = [make_evaluation(-i, 0.1 * i, trial=-i, started=1.0) for i in (1, 2)]
    page = _page(*old, make_evaluation(0, 0.9, started=1000.0))
    assert "3 evaluations of 3 configurations · 2 of them of a previous result" in page.text
    assert "Best loss: 0.1000" in page.text
    assert "(trial -1)" in page.text
    assert "· 1 s" in page.text
    assert 1 == len(_paths(page.charts[0]))
    alone = _page(*old)
    assert "no evaluation of this study" in _words(alone.charts[1])


def test_a_job_that_no_worker_timed_does_not_stretch_the_time():
    """It counts from when it was submitted, not from 1970."""
    row = make_evaluation(1, None, status=Status.CRASHED, error="gone", started=0.0, finished=0.0)
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    crash = type(row)(**{**values, "submitted": 1.7e9 + 2})
    page = _page(make_evaluation(0, 0.5, started=1.7e9, finished=1.7e9 + 3), crash)
    assert "1 worker, 100% busy · 3 s" in page.text


def test_with_two_metrics_it_counts_the_pareto_front():
    """Evaluations that none beats, at the largest budget."""
    rows = [
        make_evaluation(i, -a, metrics={"accuracy": a, "seconds": s})
        for i, (a, s) in enumerate([(0.9, 9.0), (0.8, 1.0), (0.7, 2.0)])
    ]
    metrics = Objectives([Metric("accuracy", objective="maximize"), Metric("seconds")])
    assert (
        "Pareto front of accuracy and seconds: 2 evaluations"
        in _page(*rows, objectives=metrics).text
    )
    assert "Pareto" not in _page(*rows).text


def test_ten_thousand_evaluations_are_shown_at_once():
    """Half a second; the limit is four times that, since the machine may be busy."""
    history = make_hyperband_history(2300, p_failure=0.1, n_workers=60)
    result = Result(history, budgets=(0.25, 0.5, 1.0))
    began = time.process_time()
    text = result._repr_html_()
    assert time.process_time() - began < 2.0
    assert 60_000 > len(text)
