"""The source's numeric check beside our own verdict, which it never changes."""

from dataclasses import replace
from typing import Any

import numpy as np

from gradtwin.checking.case import Case
from gradtwin.core.errors import InputError
from gradtwin.core.report import Report
from gradtwin.core.user_code import told_as_theirs
from gradtwin.core.verdicts import Note
from gradtwin.referee.finite_differences import numeric_rows
from manual_grads import Params


def with_numeric(report: Report, case: Case) -> Report:
    """Add what the numeric check of document 002 says of the manual gradients; see `referee.finite_differences`."""

    def loss(point: Params) -> Any:
        return case.manual.loss({k: point[k] for k in case.params}, *(point[k] for k in case.batch))

    try:
        with told_as_theirs("The manual function, evaluated again for the numeric check,"), np.errstate(all="ignore"):
            gradients = case.manual.run(case.params, *case.batch.values()).gradients
            rows = numeric_rows(loss, case.params | case.batch, gradients)
    except InputError as error:
        note = Note("numeric_refused", f"No numeric check: {error}")
        return replace(report, numeric=(), notes=(*report.notes, note))
    return replace(report, numeric=rows)
