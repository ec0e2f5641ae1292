import subprocess
import sys
import threading

import pytest

from tocsin.collect.background import in_background

HANGING = """
import threading
from tocsin.collect.background import in_background
in_background(threading.Event().wait)
"""


def test_the_result_and_the_error_arrive():
    assert in_background(lambda: 6 * 7).result(10) == 42
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0).result(10)


def test_the_work_runs_beside_the_caller():
    assert in_background(threading.get_ident).result(10) != threading.get_ident()


def test_cancelling_neither_stops_nor_breaks_the_work():
    go = threading.Event()
    future = in_background(lambda: go.wait(10))
    assert not future.cancel()
    go.set()
    assert future.result(10) is True


def test_a_process_ends_although_a_call_hangs():
    subprocess.run([sys.executable, "-c", HANGING], check=True, timeout=30)
