"""``tocsin demo``: a tocsin, a real training beside it, an accident, and the alert."""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, NoReturn

import httpx
import typer

import tocsin
from tocsin.commands.demo_children import Child, running, runtime_folder
from tocsin.commands.demo_view import View
from tocsin.commands.demo_watch import Picture, Watch
from tocsin.errors import UsageError

STEPS_PER_SECOND: Final = 20
SPIKE_AT_STEP: Final = 15 * STEPS_PER_SECOND
SPIKE_LEARNING_RATE: Final = 5.0
ALERT_WITHIN_S: Final = 10.0

_START_WITHIN_S: Final = 30.0
_ANSWER_WITHIN_S: Final = 10.0
_SPIKE_WITHIN_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.25

Listen = Annotated[str, typer.Option(help="HOST:PORT to serve on; port 0 takes any free one.")]
Once = Annotated[
    bool,
    typer.Option(
        "--once", help=f"End after the alert; exit status 1 when it takes over {ALERT_WITHIN_S:.0f} s."
    ),
]


def demo(listen: Listen = "127.0.0.1:0", once: Once = False) -> int:
    """Show tocsin on a real training whose learning rate jumps after a quarter of a minute."""
    example = find_example()
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError('the demo learns the digits of scikit-learn; run: pip install "tocsin[demo]"')
    try:
        with _stop_signals(), tempfile.TemporaryDirectory(prefix="tocsin-demo-") as folder:
            return _run(example, Path(folder), listen, once=once)
    except KeyboardInterrupt:
        if once:
            raise
        return 0


def find_example(package: Path = Path(tocsin.__file__).parent) -> Path:
    """The training: inside an installed wheel, or beside the sources.

    Raises UsageError when it is in neither place.
    """
    places = [folder / "examples" / "train_digits.py" for folder in (package, package.parents[1])]
    for place in places:
        if place.is_file():
            return place
    raise UsageError(f"the training of the demo is missing: there is neither {places[0]} nor {places[1]}")


def _run(example: Path, folder: Path, listen: str, *, once: bool) -> int:
    command = [sys.executable, "-m", "tocsin", "up", "--listen", listen, "--data", str(folder / "data")]
    with running("server", command, folder) as server:
        url = _url_of(server, folder)
        with (
            running("training", _training_command(example), folder) as training,
            View(url) as view,
            Watch(url, SPIKE_LEARNING_RATE) as watch,
        ):
            return _look_on(watch, view, (server, training), once=once)


def _url_of(server: Child, folder: Path) -> str:
    """Where the server listens, which it announces once it does."""
    announcement = runtime_folder(folder) / "servers" / f"{server.pid}.json"
    deadline_s = time.monotonic() + _START_WITHIN_S
    while not announcement.exists():
        server.check_runs()
        if time.monotonic() > deadline_s:
            raise UsageError(f"the server of the demo did not start within {_START_WITHIN_S:.0f} s")
        time.sleep(0.05)
    return str(json.loads(announcement.read_bytes())["url"])


def _training_command(example: Path) -> list[str]:
    return [
        *(sys.executable, str(example)),
        *("--steps", "1000000"),
        *("--steps-per-second", str(STEPS_PER_SECOND)),
        *("--spike-at", str(SPIKE_AT_STEP)),
        *("--spike-lr", str(SPIKE_LEARNING_RATE)),
    ]


def _look_on(watch: Watch, view: View, children: tuple[Child, ...], *, once: bool) -> int:
    started_s = answered_s = time.monotonic()
    while True:
        for child in children:
            child.check_runs()
        try:
            picture = watch.look()
        except httpx.HTTPError as error:
            if time.monotonic() > answered_s + _ANSWER_WITHIN_S:
                raise UsageError(f"the server of the demo does not answer: {error}") from error
        else:
            answered_s = time.monotonic()
            view.show(picture)
            if once and is_decided(picture):
                return 0 if is_in_time(picture) else 1
            if picture.spike_age_s is None and time.monotonic() > started_s + _SPIKE_WITHIN_S:
                raise UsageError(
                    f"no step with the raised learning rate arrived within {_SPIKE_WITHIN_S:.0f} s"
                )
        time.sleep(_LOOK_EVERY_S)


def is_decided(picture: Picture) -> bool:
    """Whether the alert fires, or is too late."""
    is_late = picture.spike_age_s is not None and picture.spike_age_s > ALERT_WITHIN_S
    return is_late or picture.alert_delay_s is not None


def is_in_time(picture: Picture) -> bool:
    """Whether the alert fires, and soon enough."""
    return picture.alert_delay_s is not None and picture.alert_delay_s <= ALERT_WITHIN_S


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does, and nothing interrupt it while it tidies up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
