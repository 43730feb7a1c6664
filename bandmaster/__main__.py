"""``python -m bandmaster``, for where the console script is not on the path."""

from __future__ import annotations

import sys

from bandmaster.cli.app import main

sys.exit(main())
