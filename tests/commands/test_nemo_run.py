"""``tocsin nemo-run`` follows an experiment to its end."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.collect.nemo_run.layout import Home
from tocsin.commands import nemo_run
from tocsin.commands.app import run


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def test_states_logs_and_the_exit_status(home, monkeypatch, capsys):
    start_s = time.time()
    experiment = home.experiment()
    good, bad = home.task(experiment, "good"), home.task(experiment, "bad")
    log = home.run(good, at_s=start_s)
    turns = itertools.count()

    def meanwhile(_seconds):
        match next(turns):
            case 0:
                home.write(log, "epoch 1\nepo", start_s)
                home.write(home.run(bad, at_s=start_s), "planned\n", start_s)
            case 1:
                home.write(log, "ch 2\n", start_s)
                home.end(good, "SUCCEEDED", 0, start_s + 7)
                home.end(bad, "FAILED", 3, start_s + 2)
                (experiment / "_DONE").write_text("")

    monkeypatch.setattr(nemo_run.time, "sleep", meanwhile)
    assert run(["nemo-run", "demo", "--home", str(home.path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "bad: waiting",
        "good: running",
        "bad: running",
        "bad | planned",
        "good | epoch 1",
        "bad: failed, exit code 3, after 2 s",
        "good | epoch 2",
        "good: complete, exit code 0, after 7 s",
    ]
    assert run(["nemo-run", "--home", str(home.path), "--once"]) == 1
    assert "good: complete" in capsys.readouterr().out


def test_what_there_is_not(home, capsys):
    assert run(["nemo-run", "--home", str(home.path)]) == 2
    assert "there is no experiment below" in capsys.readouterr().err
    home.experiment()
    assert run(["nemo-run", "other", "--home", str(home.path)]) == 2
    assert 'there is no experiment "other" below' in capsys.readouterr().err
