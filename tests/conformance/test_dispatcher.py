"""Our dispatcher keeps the rules of its suite."""

from __future__ import annotations

from typing import Any

from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.study.study import Study
from bandmaster.testing.dispatcher import DispatcherSuite


class TestDispatcher(DispatcherSuite):
    def make(self, study: Study, **options: Any) -> Dispatcher:
        return Dispatcher(study, run_id="suite", **options)
