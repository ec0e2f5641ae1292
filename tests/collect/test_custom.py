import asyncio
import gc
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tocsin.collect import CustomCollector, custom, load_custom_collector
from tocsin.errors import ConfigError, ParseError
from tocsin.sdk.collector import MetricsCollector


class Given(MetricsCollector):
    def __init__(self, values):
        self.values = values

    async def collect(self):
        return self.values


def values(families):
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_numbers_become_gauges_and_counters():
    given = {
        "depth": 3,
        "ratio": 0.5,
        "jobs_total": 7,
        "app:x": True,
        "d": Decimal("1.5"),
        "n": np.float32(2),
    }
    families = list(CustomCollector("m:C", Given(given)).collect())
    assert values(families) == {"depth": 3, "ratio": 0.5, "jobs_total": 7, "app:x": 1, "d": 1.5, "n": 2}
    assert {family.name: family.type for family in families}["jobs"] == "counter"
    assert {family.name: family.type for family in families}["depth"] == "gauge"


@pytest.mark.parametrize("name", ["", "1st", "queue depth", "queue-depth", "größe", "a\n", 7, None])
def test_a_name_that_is_no_metric_name(name):
    with pytest.raises(ParseError, match=r"m:C returned a value for .*, which is no metric name") as caught:
        CustomCollector("m:C", Given({name: 1.0})).collect()
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("value", ["3", None, [1.0], {"a": 1}, object, 1j])
def test_a_value_that_is_no_number(value):
    message = f"m:C returned {value!r} for depth; allowed is a number"
    with pytest.raises(ParseError, match=re.escape(message)):
        CustomCollector("m:C", Given({"depth": value})).collect()


@pytest.mark.parametrize("answer", [None, 3.0, [("depth", 1.0)], "depth"])
def test_an_answer_that_is_no_mapping(answer):
    with pytest.raises(ParseError, match="allowed is a dict of numbers by metric name"):
        CustomCollector("m:C", Given(answer)).collect()


def test_no_values_is_an_answer():
    assert list(CustomCollector("m:C", Given({})).collect()) == []


def test_every_round_runs_in_the_same_event_loop():
    class KeepsItsLock(MetricsCollector):
        def __init__(self):
            self.loops = []

        async def collect(self):
            await asyncio.sleep(0)
            self.loops.append(asyncio.get_running_loop())
            return {"rounds_total": len(self.loops)}

    kept = KeepsItsLock()
    collector = CustomCollector("m:C", kept)
    assert values(collector.collect()) == {"rounds_total": 1}
    assert values(collector.collect()) == {"rounds_total": 2}
    assert kept.loops[0] is kept.loops[1]


def test_the_event_loop_ends_with_the_collector():
    collector = CustomCollector("m:C", Given({}))
    collector.collect()
    loop = collector._loop
    del collector
    gc.collect()
    assert loop.is_closed()


def test_an_answer_that_never_comes_is_given_up(monkeypatch):
    class Waits(MetricsCollector):
        patient = True

        async def collect(self):
            if self.patient:
                await asyncio.Event().wait()
            return {"depth": 1}

    monkeypatch.setattr(custom, "ANSWER_TIMEOUT_S", 0.05)
    waits = Waits()
    collector = CustomCollector("m:C", waits)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        collector.collect()
    waits.patient = False
    assert values(collector.collect()) == {"depth": 1}


def test_a_timeout_of_the_users_own_keeps_its_words():
    class TimesOut(MetricsCollector):
        async def collect(self):
            raise TimeoutError("the broker is asleep")

    with pytest.raises(TimeoutError, match="the broker is asleep"):
        CustomCollector("m:C", TimesOut()).collect()


MODULE = """
from fractions import Fraction
from tocsin.sdk.collector import MetricsCollector

class Queue(MetricsCollector):
    async def collect(self):
        return {"queue_depth": Fraction(1, 2)}

class Demanding(Queue):
    def __init__(self, argument):
        pass

class Abstract(MetricsCollector):
    pass

class Unrelated:
    pass

a_value = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "tocsin_test_queue.py").write_text(MODULE)
    (tmp_path / "tocsin_test_broken.py").write_text("import tocsin_no_such_module\n")
    (tmp_path / "tocsin_test_syntax.py").write_text("def (\n")
    return tmp_path


def test_a_class_is_found_in_the_folder(folder):
    collector = load_custom_collector("tocsin_test_queue:Queue", folder)
    assert collector.name == "tocsin_test_queue:Queue"
    assert values(collector.collect()) == {"queue_depth": float(Fraction(1, 2))}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", '"" names no collector; allowed is module:Class'),
        ("queue", '"queue" names no collector; allowed is module:Class'),
        (":Queue", '":Queue" names no collector; allowed is module:Class'),
        ("queue:", '"queue:" names no collector; allowed is module:Class'),
        (".queue:Queue", '".queue:Queue" could not be imported: TypeError'),
        ("tocsin_no_such:C", "could not be imported: ModuleNotFoundError: No module named 'tocsin_no_such'"),
        ("tocsin_test_broken:C", "ModuleNotFoundError: No module named 'tocsin_no_such_module'"),
        ("tocsin_test_syntax:C", "could not be imported: SyntaxError"),
        ("tocsin_test_queue:Missing", "is not a subclass of tocsin.MetricsCollector"),
        ("tocsin_test_queue:Unrelated", "is not a subclass of tocsin.MetricsCollector"),
        ("tocsin_test_queue:a_value", "is not a subclass of tocsin.MetricsCollector"),
        ("tocsin_test_queue:Abstract", "could not be made: TypeError"),
        ("tocsin_test_queue:Demanding", "could not be made: TypeError"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_sentence(folder, spec, message):
    with pytest.raises(ConfigError) as caught:
        load_custom_collector(spec, folder)
    assert message in str(caught.value)
    assert spec in str(caught.value)
    assert "\n" not in str(caught.value)
