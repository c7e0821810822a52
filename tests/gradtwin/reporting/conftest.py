"""One dossier for all tests of the report: three right twins, and a stranger's wrong one that is full of markup."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from gradtwin import Twin
from gradtwin.reporting.dossier import Dossier, gather
from gradtwin.twins import catalog

EVIL = "<script>alert(1)</script>&\"'`|*x*</td>"
EVIL_FILE = "<script>alert(2)<br>&\"'`|*x*.py"


def forward(params: Any, x: Any) -> Any:
    """Square."""
    y = x @ params["w"]
    return (y**2).sum(), {"x": x, "y": y}


def backward(params: Any, cache: Any) -> Any:
    """Forget the 2."""
    dy = cache["y"].copy()
    return {"y": dy, "w": cache["x"].T @ dy}


def reference(params: Any, x: Any) -> Any:
    """Square by TensorFlow."""
    y = tf.matmul(x, params["w"])
    return {"y": y, "loss": tf.reduce_sum(y**2)}


class Side:
    __doc__ = f"""A stranger's page {EVIL}.

    Forward     y = x w {EVIL}

    Backward    dy = y
    """
    init_params = staticmethod(lambda rng: {"w": rng.normal(size=(2, 1))})
    forward = staticmethod(forward)
    backward = staticmethod(backward)


@pytest.fixture(scope="session")
def evil() -> Twin:
    """A wrong twin whose every word is markup."""
    return Twin(
        name=EVIL, manual=Side, reference=reference, batch=lambda rng: (rng.normal(size=(3, 2)),), loss=EVIL,
        source=EVIL, data="random",
    )  # fmt: skip


@pytest.fixture(scope="session")
def dossier(evil: Twin) -> Dossier:
    """The dossier of gates, xor, a node, and the stranger's twin, trained a few steps only."""
    twins = {name: catalog.get(name) for name in ("gates", "xor", "node_relu")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradtwin.reporting.dossier.MULTIPLICATIONS", 1000.0)
        return gather(twins | {f"/home/somebody/{EVIL_FILE}:twin": evil})


@pytest.fixture(scope="session")
def right(dossier: Dossier) -> Dossier:
    """The dossier of the right twins alone."""
    return Dossier(dossier.pages[:3], dossier.versions, dossier.machine, dossier.date)


@pytest.fixture
def diverged() -> Any:
    """A history with infinities in it."""
    from gradtwin.training.history import History

    losses = np.array([1.0, 10.0, np.inf, np.nan])
    return History(
        twin="xor", run="run", dtype="float64", learning_rate=1e9, steps=4,
        manual={"loss": float("nan"), "accuracy": None}, tensorflow={"loss": float("inf"), "accuracy": None},
        gap=float("nan"), diverged_at=2, losses_manual=losses, losses_tensorflow=losses,
        gaps=np.array([0.0, 0.0, 1.0, np.nan, np.nan]), predictions={}, params={"manual": {}, "tensorflow": {}},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
