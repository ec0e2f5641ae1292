from __future__ import annotations

import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from rich.console import Console

from tocsin.commands.demo import ALERT_WITHIN_S, find_example, is_decided, is_in_time
from tocsin.commands.demo_children import running
from tocsin.commands.demo_view import View, drawn, sparkline
from tocsin.commands.demo_watch import Picture, Watch
from tocsin.errors import UsageError


def test_the_training_is_found_beside_the_sources_and_in_a_wheel(tmp_path):
    assert find_example().name == "train_digits.py"
    installed = tmp_path / "site-packages" / "tocsin"
    with pytest.raises(UsageError, match="the training of the demo is missing"):
        find_example(installed)
    (installed / "examples").mkdir(parents=True)
    (installed / "examples" / "train_digits.py").write_text("")
    assert find_example(installed) == installed / "examples" / "train_digits.py"


@pytest.mark.parametrize(
    ("picture", "decided", "in_time"),
    [
        (Picture(), False, False),
        (Picture(spike_age_s=1), False, False),
        (Picture(spike_age_s=3, alert_delay_s=2), True, True),
        (Picture(spike_age_s=ALERT_WITHIN_S + 0.1), True, False),
        (Picture(spike_age_s=12, alert_delay_s=ALERT_WITHIN_S + 0.5), True, False),
    ],
)
def test_the_demo_is_over_when_the_alert_fires_or_is_late(picture, decided, in_time):
    assert (is_decided(picture), is_in_time(picture)) == (decided, in_time)


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([], 5, ""),
        ([3.0], 5, "▁"),
        ([1, 10, 100], 3, "▁▅█"),
        ([1, 1, 1, 100], 2, "▁█"),
        ([1, math.nan, 0, 100], 4, "▁!!█"),
        ([math.inf], 4, "!"),
    ],
)
def test_a_sparkline_shows_peaks_and_what_cannot_be_drawn(values, width, line):
    assert sparkline(values, width) == line


def printed(*pictures, **options):
    output = io.StringIO()
    with View("http://[::1]:1", Console(file=output, width=100, **options)) as view:
        for picture in pictures:
            view.show(picture)
    return output.getvalue()


def test_without_a_terminal_each_event_is_one_line():
    fired = Picture(step=301, losses=[0.2, 9.0], learning_rate=5.0, spike_age_s=2.0, alert_delay_s=1.5)
    lines = printed(Picture(), Picture(step=1), Picture(step=300, spike_age_s=0.1), fired, fired).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "tocsin runs at http",
        "a training runs",
        "the learning rate has jumped, and the loss goes up",
        "TrainingLossSpike fires, 1.5 s after the first step with it",
    ]
    assert "http://[::1]:1/training" in lines[0]


def test_on_a_terminal_the_picture_has_the_page_the_step_and_the_alert():
    console = Console(file=io.StringIO(), width=100)
    console.print(
        drawn(Picture(step=7, losses=[1, 2], learning_rate=0.1, alert_state="firing"), "http://h:1")
    )
    text = console.file.getvalue()
    for words in ("http://h:1/training", "7", "▁█", "0.1", "TrainingLossSpike is firing"):
        assert words in text
    assert "is pending" in printed(Picture(step=7, alert_state="pending"), force_terminal=True)


class Answers:
    """A server that answers as tocsin does, from two attributes."""

    def __init__(self):
        self.samples = {}
        self.alerts = []

    def answer(self, path, query):
        if path == "/api/v1/alerts":
            return {"alerts": self.alerts}
        metric = query["query"][0].split("{")[0]
        values = self.samples.get(metric, [])
        return {"resultType": "matrix", "result": [{"metric": {}, "values": values}] if values else []}


@contextmanager
def serving(answers):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            body = json.dumps(
                {"status": "success", "data": answers.answer(parts.path, parse_qs(parts.query))}
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rfc3339(time_s):
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def test_the_delay_counts_from_the_first_step_with_the_raised_learning_rate():
    answers = Answers()
    now_s = time.time()
    early = {"labels": {"alertname": "TrainingLossSpike"}, "state": "firing", "activeAt": rfc3339(now_s - 5)}
    alert = {**early, "activeAt": rfc3339(now_s - 1)}
    with serving(answers) as url, Watch(url, spike_learning_rate=5.0) as watch:
        assert watch.look() == Picture()
        answers.alerts = [{**alert, "state": "pending"}, {**alert, "labels": {"alertname": "Other"}}]
        answers.samples = {
            "training_step": [[now_s - 4, "7"], [now_s - 3, "8"]],
            "training_loss": [[now_s - 4, "0.5"], [now_s - 3, "NaN"]],
            "training_learning_rate": [[now_s - 4, "0.1"], [now_s - 3, "5"], [now_s - 2, "0.1"]],
        }
        picture = watch.look()
        assert (picture.step, picture.losses[0], picture.learning_rate) == (8, 0.5, 0.1)
        assert picture.alert_state == "pending"
        assert 3 <= picture.spike_age_s < 13
        assert picture.alert_delay_s is None
        answers.alerts = [early]
        assert watch.look().alert_delay_s is None
        answers.alerts = [alert]
        assert 3 <= watch.look().alert_delay_s < 13


def test_a_child_is_ended_by_its_handle_even_when_it_will_not(tmp_path, monkeypatch):
    monkeypatch.setattr("tocsin.commands.demo_children._STOP_WITHIN_S", 0.3)
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    stubborn = f"{ignore}; print('on', flush=True); time.sleep(60)"
    with running("training", [sys.executable, "-c", stubborn], tmp_path) as child:
        while b"on" not in (tmp_path / "training.log").read_bytes():
            time.sleep(0.02)
        child.check_runs()
    assert not psutil.pid_exists(child.pid)


def test_a_child_that_ends_by_itself_is_told_with_its_last_words(tmp_path):
    failing = [sys.executable, "-c", "import sys; print('no digits here'); sys.exit(3)"]
    with running("training", failing, tmp_path) as child:
        child._process.wait(30)
        with pytest.raises(UsageError, match="status 3: no digits here"):
            child.check_runs()


@contextmanager
def demo(tmp_path, *options):
    """The real command; whatever it starts must be gone with it."""
    folders = {
        "TMPDIR": tmp_path / "tmp",
        "TOCSIN_RUNTIME_DIR": tmp_path / "runtime",
        "HOME": tmp_path / "home",
    }
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **{name: str(folder) for name, folder in folders.items()}},
    )
    try:
        yield process
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        for child in children:
            child.kill()
        process.communicate()
    assert [path for folder in folders.values() for path in folder.iterdir()] == []


@pytest.mark.timeout(180)
def test_a_real_training_spikes_and_the_alert_fires_in_time(tmp_path):
    with demo(tmp_path, "--once") as process:
        out, err = process.communicate(timeout=150)
    assert (process.returncode, err) == (0, "")
    delay_s = float(re.search(r"TrainingLossSpike fires, ([\d.]+) s after", out)[1])
    assert 0 <= delay_s <= ALERT_WITHIN_S


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path, number):
    with demo(tmp_path) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert "a training runs" in lines[1]
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        assert not [child for child in children if child.is_running()]


def test_a_server_that_cannot_start_is_one_sentence(tmp_path):
    with demo(tmp_path, "--listen", "nowhere") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.count("\n") == 1
    assert err.startswith(
        "tocsin: the server of the demo ended by itself with status 2: tocsin: --listen must be"
    )
    assert out == ""
