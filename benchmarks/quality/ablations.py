"""What each algorithmic choice of an engine is worth: a run with it and one without.

``--ablations ETPE`` plays the engine and all its variants below. A choice that does not help is to
go from the code; one that is added to the code gets its line here.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.quality import statistics as st
from benchmarks.quality.table import Results

__all__ = ["ABLATIONS", "HEAD", "rows", "variants"]

# Engine -> (what it does, the same without).
ABLATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "ETPE": (
        ("good share 0.15 n, not 0.1 n", "ETPE:gamma=0.1"),
        ("good share 0.15 n, not 0.25 n", "ETPE:gamma=0.25"),
        ("at most 25 good ones", "ETPE:etpe._MAX_GOOD=1000000"),
        ("prior counts three times in the bad density", "ETPE:etpe._BAD_PRIOR=1.0"),
        ("64 candidates, not 24", "ETPE:n_candidates=24"),
        ("10 start-up points, not 20", "ETPE:n_startup=20"),
        ("kernels of coarse integers as wide as a cell", "ETPE:axes._STEP=0.0"),
        ("bandwidths of tables in steps of 9 %", "ETPE:axes._LEVELS=1000000"),
        ("every fourth leaves a crowd", "ETPE:etpe._ELSEWHERE=1000000000"),
        # With --suite algorithms only.
        ("every third in another branch", "ETPE:branches._SHARE=0.0"),
        ("the first 25 not", "ETPE:branches._FROM=0"),
        # These say something with --workers 32 only; one at a time they are the engine itself.
        ("many out: candidates around means", "ETPE:etpe._JOINING=1000000000"),
        ("many out: fewer good ones", "ETPE:etpe._GREEDIER=1000000000"),
        ("pending trials weigh 0.3, not 1", "ETPE:split._OUT=1.0"),
    ),
    "GP": (
        ("candidates are improved by gradients", "GP:n_steps=0"),
        ("refits at 10 % growth, not each time", "GP:growth=1.0001"),
        ("refits at 10 % growth, not 50 %", "GP:growth=1.5"),
        ("768 candidates, not 256", "GP:n_candidates=256"),
        ("fits start where one to fewer ended", "GP:gp_surrogates._ANCHOR=1000000000"),
        # With --suite algorithms only.
        ("every third in another branch", "GP:branches._SHARE=0.0"),
        ("the first 25 not", "GP:branches._FROM=0"),
        # With --suite multi only.
        ("several objectives: hypervolume, not one scalarisation", "GP:gp._COVERED=1"),
        ("several objectives: logarithms of what spans decades", "GP:gp_warp._TIMES=1e300"),
        ("several objectives: near and far corners", "GP:gp._REACH=(0.1,0.1)"),
        # With --workers 32 only.
        ("many out: proposals keep away from pending ones", "GP:gp._APART=0.0"),
        ("many out: every other one doubts pending ones", "GP:gp._DOUBTING=0.0"),
    ),
    "Forest": (
        ("20 trees, not 10", "Forest:n_trees=10"),
        ("a random proposal in twenty", "Forest:random_share=0.0"),
        # With --suite algorithms only.
        ("every third in another branch", "Forest:branches._SHARE=0.0"),
    ),
}
HEAD = ("what it does", "regret with over without", "win/tie/loss")


def variants(engine: str) -> list[str]:
    """Return the engine and its variants."""
    return [engine, *(spec for _, spec in ABLATIONS.get(engine, ()))]


def rows(results: Results, engine: str) -> list[Sequence[str]]:
    """Return a row a choice: the ratio of regrets (below 1: it helps) with its paired interval."""
    if engine not in results.engines:
        return []
    with_it = results.table(engine)
    found: list[Sequence[str]] = []
    for what, spec in ABLATIONS.get(engine, ()):
        if spec in results.engines:
            without = results.table(spec)
            ratio = str(st.regret_ratio(with_it, without))
            found.append((f"{what} (`{spec}`)", ratio, str(st.win_tie_loss(with_it, without))))
    return found
