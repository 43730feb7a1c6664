"""How good and how fast the optimizers are, beside their peers; ``python -m benchmarks.quality``.

`suites` holds the problems, `engines` makes an optimizer of a name and options, `peers` wraps the
others' optimizers, `runs` plays one engine on one problem, `store` keeps every run in a file of
JSON lines, `statistics`, `report` and `plots` make tables and pictures of them.
"""
