"""Results as files: pickle, JSON lines, CSV, Parquet, and HpBandSter's directories.

A file is data. The format follows from the name (`formats`), what is written appears whole or not
at all (`atomic`), and nothing that is read is run (`pickled` says how that holds for pickles).
"""

from bandmaster.study.saving.formats import SUFFIXES, check_target, load, save
from bandmaster.study.saving.saved import Saved

__all__ = ["SUFFIXES", "Saved", "check_target", "load", "save"]
