"""Kill -9 of a training at random moments.

After each: TensorBoard reads the curves of both sides without a hole, no point is missing that was older than a third
of a second (and the chunk of steps under way), the files of earlier runs are as they were, and nothing lies about but
event files.
"""

import random
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.endurance.outcome import Outcome
from benchmarks.endurance.readable import everything, read
from gradtwin.training.log import SECONDS_BETWEEN_SAVES

# The twin, more steps than it can take here, and the steps between two points on its curves.
TRAININGS = (("xor", 5_000_000, 500), ("mnist", 500_000, 20))

# It says what is done, and when by its own clock, as soon as it is done.
_TRAINING = """
import sys, time
import gradtwin
def tell(done, steps):
    print(done, time.monotonic(), flush=True)
name, steps, every, logdir = sys.argv[1:]
data = "digits" if name == "mnist" else None
gradtwin.train(name, steps=int(steps), log_every=int(every), logdir=logdir, data=data, progress=tell)
"""


class Broken(Exception):
    """What did not hold."""


def run(*, short: bool = False) -> Outcome:
    """Kill trainings of two twins in turn, a quarter of them while they start."""
    kills = 2 if short else 20
    draws, lost, torn, points, begun = random.Random(5), [0.0], 0, 0, 0
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        logs, elsewhere = Path(folder, "logs"), Path(folder, "elsewhere")
        logs.mkdir()
        elsewhere.mkdir()
        for kill in range(kills):
            before = everything(logs)
            training, starting = TRAININGS[kill % len(TRAININGS)], kill % 8 in (3, 6)
            told = _killed(training, logs, elsewhere, draws.uniform(0, 1 if short else 6 if starting else 4), starting)
            begun += bool(told)
            after = everything(logs)
            try:
                runs = _as_they_were(before, after, elsewhere)
                for one in runs:
                    found = read(one)
                    torn += found.torn > 0
                    points += sum(map(len, found.steps.values()))
                    lost.append(_lost(found.steps, told, training[2]))
            except Broken as error:
                broken.append(f"kill {kill}, {training[0]}: {error}")
    figures = {
        "most seconds lost": max(lost),
        "points kept": points,
        "files with a torn last record": torn,
        "killed while starting": kills - begun,
    }
    return Outcome("kills", f"kill -9 of trainings of xor and mnist: {kills} times", figures, tuple(broken))


Told = list[tuple[int, float]]


def _killed(training: tuple[str, int, int], logs: Path, elsewhere: Path, seconds: float, starting: bool) -> Told:
    """Start a training, kill it so long after its start or its first step, and give what it had told."""
    command = [sys.executable, "-c", _TRAINING, *map(str, training), str(logs)]
    environment = {"TMPDIR": str(elsewhere), "PYTHONPATH": str(Path.cwd()), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=elsewhere, env=environment
    ) as process:
        assert process.stdout is not None
        first = b"" if starting else process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        lines = (first + process.stdout.read()).split(b"\n")[:-1]
    return [(int(done), float(when)) for done, when in map(bytes.split, lines)]


def _as_they_were(before: dict[Path, bytes], after: dict[Path, bytes], elsewhere: Path) -> list[Path]:
    """Give the new runs, one or none; refuse a change anywhere else."""
    if changed := [path for path, content in before.items() if after.get(path) != content]:
        raise Broken(f"{changed[0]} of an earlier run has changed")
    new = [path for path in after if path not in before]
    if other := [path for path in (*new, *everything(elsewhere)) if "tfevents" not in path.name]:
        raise Broken(f"{other[0]} was left behind")
    runs = sorted({path.parent.parent if path.parent.name in ("manual", "tensorflow") else path.parent for path in new})
    if len(runs) > 1 or any(path.is_relative_to(one) for one in runs for path in before):
        raise Broken(f"written to {', '.join(map(str, runs))}")
    return runs


def _lost(steps: dict[str, list[int]], told: Told, every: int) -> float:
    """Give the age of the oldest point that is missing, in seconds by the training's clock; refuse too old a one."""
    if not told:
        return 0.0
    (done, end), worst = told[-1], 0.0
    pause = max((b - a for (_, a), (_, b) in pairwise(told) if b > end - 1), default=0.0)
    for side, found in steps.items():
        if found != [k * every for k in range(len(found))]:
            raise Broken(f"{side} has holes: {found}")
        missing = len(found) * every
        if missing < done:
            worst = max(worst, end - next(when for reached, when in told if reached > missing))
    if len(steps) < 2 or worst > SECONDS_BETWEEN_SAVES + pause:
        raise Broken(f"{worst:.2f} s lost; steps took up to {pause:.2f} s")
    return worst
