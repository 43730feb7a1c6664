"""The report: for each suite and number of workers what there is, as Markdown and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.quality import statistics as st
from benchmarks.quality.plots import ask_time_plot, rank_plot
from benchmarks.quality.store import Record
from benchmarks.quality.table import Results, markdown

__all__ = [
    "BEGIN",
    "END",
    "ask_time_section",
    "parallel_rows",
    "section",
    "section_name",
    "summary_head",
    "write_report",
]

BEGIN = "<!-- made by python -m benchmarks.quality --report; from here -->"
END = "<!-- to here -->"
SECTION = "<!-- section "
MOST_ROWS = 30  # problems of which each has a row; beyond, only the summary is shown
EXPLAINED = {
    "synthetic": "Four functions",
    "tabular": "Tables of trained networks",
    "bbob-5": "bbob, five parameters",
    "synthetic-all": "All functions of `bandmaster.testing.problems`",
    "mf-counting-ones": "Counting ones, budgets 9 to 729, 50 full evaluations, rungs paid in full",
    "mf-lcbench": "lcbench on a virtual clock, epochs 3 to 52",
    "mf-xgboost": "rbv2_xgboost on a virtual clock, 3 % to 100 % of the data",
}
Times = dict[str, dict[int, tuple[float, float]]]


def section(
    suite: str,
    workers: int,
    records: Iterable[Record],
    *,
    problems: Sequence[str],
    engines: Sequence[str],
    images: Path,
    title: str = "",
) -> str:
    """Return the Markdown of one suite, and draw its picture; nothing where there are no runs.

    Parameters
    ----------
    suite : str
    workers : int
    records : iterable of Record
    problems, engines : sequence of str
    images : Path
    title : str, optional
        What sets this section apart from others of the same suite.
    """
    records = list(records)
    results = Results.of(records, problems, engines)
    if results.empty:
        return ""
    n, first = len(results.seeds), results.engines[0]
    heading = EXPLAINED.get(suite, suite) + (f" ({title})" if title else "")
    several = f", {workers} workers" if workers > 1 else ""
    image = images / f"quality-{section_name(suite, workers, title)}.png"
    unit = "durations of a full evaluation" if suite.startswith("mf-") else "evaluations"
    rank_plot(results, f"{suite}{several}", image, unit=unit)
    lines = [f"### {heading}{several}\n", _measured(results), ""]
    if len(results.problems) <= MOST_ROWS:
        lines += [
            f"Mean simple regret after {results_length(results):g} {unit}, {n} seeds:\n",
            markdown(["problem", *results.engines], results.regret_rows()),
        ]
    lines += [
        f"Normalised regret (0 the best, 1 a random configuration) [95 % interval]; "
        f"{len(results.problems)} problem{'s' * (len(results.problems) > 1)}, {n} seeds:\n",
        markdown(summary_head(first), results.summary_rows()),
        f"![Ranks and regrets](images/{image.name})\n",
    ]
    left_out = [e for e in engines if e not in results.engines]
    if left_out:
        lines.append(f"Not run on all of these problems: {', '.join(left_out)}.\n")
    return "\n".join(lines)


def section_name(suite: str, workers: int, title: str) -> str:
    """Return the name of a section and its picture."""
    name = suite if workers == 1 else f"{suite}-{workers}"
    return f"{name}-{title.replace(' ', '-')}" if title else name


def summary_head(first: str) -> list[str]:
    """Return the head of `Results.summary_rows`."""
    return ["engine", "mean rank", "at 25 %", "at 50 %", "at 100 %",
            f"win/tie/loss of {first}", f"regret of {first} over it",
            "ask + tell p50 / p99, ms"]  # fmt: skip


def results_length(results: Results) -> float:
    """Return how long the runs are."""
    return next(iter(results.records.values())).length


def _measured(results: Results) -> str:
    shown = [r for (_, e, _), r in results.records.items() if e in results.engines]
    commits = sorted({r.commit for r in shown if r.commit})
    versions = sorted({r.versions for r in shown if r.versions})
    capped = sorted({f"{r.engine} after {r.capped}" for r in shown if r.capped})
    text = f"Measured on commit {', '.join(commits)} (+: with changes not committed)"
    text += f"; {', '.join(versions)}" if versions else ""
    text += f". Cut off by the clock: {', '.join(capped)}" if capped else ""
    return text + "."


def parallel_rows(
    records: Iterable[Record], engines: Sequence[str], problems: Sequence[str], workers: int
) -> list[list[str]]:
    """Return the regret with many workers over the sequential one, at equal evaluations.

    The ratio of mean simple regrets a problem, and the geometric mean with its interval.
    """
    records = list(records)
    lengths = {r.length for r in records if r.workers == workers}
    rows = []
    for name in engines:
        tables = []
        for n in (workers, 1):
            runs = [r for r in records if r.workers == n and r.length in lengths]
            tables.append(Results.of(runs, problems, [name]))
        many, one = tables
        if many.empty or one.empty or many.seeds != one.seeds or many.problems != one.problems:
            continue
        pair = many.table(name), one.table(name)
        cells = [
            f"{pair[0][p].mean() / max(pair[1][p].mean(), st.FLOOR):.2f}" for p in many.problems
        ]
        rows.append([name, *cells, str(st.regret_ratio(*pair))])
    return rows


def ask_time_section(times: Times, images: Path) -> str:
    """Return the Markdown of the times of an ask, and draw their picture."""
    image = images / "quality-ask-time.png"
    ask_time_plot(times, image)
    sizes = sorted({n for of_engine in times.values() for n in of_engine})
    rows = [
        [name, *(f"{t[n][0]:.3g} / {t[n][1]:.3g}" if n in t else "" for n in sizes)]
        for name, t in times.items()
    ]
    return (
        "### Time of an ask\n\nMilliseconds of CPU for an ask and the tell after it, p50 / p99 of "
        "25, with so many evaluations of the mixed space of ten known:\n\n"
        + markdown(["engine", *(f"{n:,}" for n in sizes)], rows)
        + f"\n![Time of an ask](images/{image.name})\n"
    )


def write_report(path: Path, sections: Mapping[str, str]) -> None:
    """Put sections between the marks of a page; other sections and the prose around them stay.

    Parameters
    ----------
    path : Path
        A page with the lines `BEGIN` and `END`.
    sections : Mapping
        By name; one that is there is replaced in its place, one without text is left as it is.

    Raises
    ------
    ValueError
        When the page lacks the marks.
    """
    page = path.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} lacks the lines {BEGIN!r} and {END!r}")
    found: dict[str, str] = {}
    for part in inside.split(SECTION)[1:]:
        name, _, text = part.partition(" -->")
        found[name] = text.strip()
    found.update((name, text.strip()) for name, text in sections.items() if text)
    body = "".join(f"{SECTION}{name} -->\n\n{text}\n\n" for name, text in found.items())
    path.write_text(f"{before}{begin}\n\n{body}{end}{after}", encoding="utf-8")
