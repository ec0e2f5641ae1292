"""Runs test files: the real rule groups, over samples that appear as time goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tocsin.config import read_source
from tocsin.errors import ConfigError, TocsinError
from tocsin.model import Labels, Matcher, MatchType, format_duration_ms
from tocsin.model.labels import METRIC_NAME
from tocsin.model.regex import Pattern
from tocsin.promql import Engine, parse
from tocsin.rules.alerting import AlertState
from tocsin.rules.files import GroupDefinition, compile_rules, metric_names
from tocsin.rules.group import RuleGroup, Surroundings
from tocsin.rules.metrics import RuleMetrics
from tocsin.rules.pruning import without_unknown_keys
from tocsin.rules.query import query_by
from tocsin.rules.testing.comparison import compare_alerts, compare_samples, title_of_query
from tocsin.rules.testing.file import (
    AlertCheckConfig,
    QueryCheckConfig,
    RuleTestConfig,
    RuleTestFile,
    read_test_file,
)
from tocsin.rules.testing.report import Failure, FileReport, TestReport
from tocsin.rules.testing.series import InputStore, read_input_series

MAX_EVALUATIONS: Final = 1_000_000
"""A test that would evaluate its rules more often has an evaluation interval that is far too short."""


@dataclass(frozen=True, slots=True)
class Options:
    """Which tests to run: those whose name one of ``run`` is found in, all without any; and how.

    ``trace`` gets lines about what happens on the way.
    """

    run: tuple[Pattern, ...] = ()
    ignore_unknown_fields: bool = False
    trace: Callable[[str], None] | None = None

    def wants(self, name: str) -> bool:
        """Whether a test is to be run."""
        return not self.run or any(pattern.search(name) for pattern in self.run)


def run_file(path: Path, options: Options) -> FileReport:
    """Run the tests of one file; what is wrong with the file itself is the error of the report."""
    report = FileReport(str(path))
    try:
        file = read_test_file(path)
    except ConfigError as error:
        report.error = str(error)
        report.is_readable = path.is_file()
        return report
    report.warnings = tuple(f"no file matches {pattern}" for pattern in file.unmatched)
    loaded = _RuleFiles(file.rule_files, options)
    for index, test in enumerate(file.config.tests):
        if options.wants(test.name):
            report.tests.append(_run_test(file, index, test, loaded, options))
    return report


def _run_test(
    file: RuleTestFile, index: int, test: RuleTestConfig, loaded: _RuleFiles, options: Options
) -> TestReport:
    report = TestReport(test.name or f"unnamed#{index}")
    started_s = time.perf_counter()
    try:
        run = _TestRun(file, index, test, loaded.groups, report, options.trace)
        asyncio.run(run.all())
    except ConfigError as error:
        report.failures.append(Failure("the test cannot be run", error=str(error)))
    report.duration_s = time.perf_counter() - started_s
    return report


class _RuleFiles:
    """The rule files of a test file, read when the first test needs them."""

    def __init__(self, paths: Sequence[Path], options: Options) -> None:
        self._paths = paths
        self._prunes = options.ignore_unknown_fields

    @cached_property
    def groups(self) -> list[GroupDefinition]:
        """All groups, in the order of the files; raises ConfigError."""
        sources = [read_source(path) for path in self._paths]
        if self._prunes:
            sources = [without_unknown_keys(source) for source in sources]
        return [group for source in sources for group in compile_rules(source)]


class _Inline(Executor):
    """Does in the caller's thread what is submitted: a test has nothing else to do meanwhile."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _SteppedClock:
    """The time of the evaluation that is being run."""

    def __init__(self) -> None:
        self.time_ms = 0

    def now_ms(self) -> int:
        return self.time_ms

    async def sleep(self, duration_s: float) -> None:
        self.time_ms += round(duration_s * 1000)


class _TestRun:
    """One test on its way."""

    def __init__(
        self,
        file: RuleTestFile,
        index: int,
        test: RuleTestConfig,
        definitions: Sequence[GroupDefinition],
        report: TestReport,
        trace: Callable[[str], None] | None,
    ) -> None:
        self._file = file
        self._test = test
        self._report = report
        self._trace = trace or _ignore
        self._place = ("tests", index)
        interval_ms = test.interval_ms or file.interval_ms
        self._store = InputStore(list(self._series()), test.start_ms, interval_ms)
        self._engine = Engine(self._store, subquery_step_ms=file.interval_ms)
        self._clock = _SteppedClock()
        surroundings = Surroundings(
            query_by(self._engine),
            self._store,
            self._clock,
            lambda _alerts: None,
            RuleMetrics(),
            _Inline(),
            Labels(test.external_labels),
            test.external_url,
            interval_ms,
        )
        self._groups = [RuleGroup(definition, surroundings) for definition in _ordered(definitions, file)]
        self._opaque = _built_on_histograms(self._groups, self._store.histograms)

    def _series(self) -> Iterator[tuple[Labels, list[Any]]]:
        for number, given in enumerate(self._test.input_series):
            try:
                yield read_input_series(given.series, given.values)
            except ValueError as error:
                place = (*self._place, "input_series", number)
                raise self._file.source.error(f'input_series "{given.series}": {error}', place) from None

    async def all(self) -> None:
        """Evaluate until the last check, making each when its time has come; raises ConfigError."""
        for number, check in enumerate(self._test.alert_checks):
            if not check.alert:
                place = (*self._place, "alert_rule_test", number)
                raise self._file.source.error("alertname is missing in a check of alerts", place)
        step_ms, last_ms = self._file.interval_ms, self._test.duration_ms
        if last_ms // step_ms >= MAX_EVALUATIONS:
            raise self._file.source.error(
                f"{last_ms // step_ms} evaluations are too many (allowed are {MAX_EVALUATIONS})", self._place
            )
        self._trace(f"{self._report.name}: evaluates {last_ms // step_ms + 1} times")
        for after_ms in range(0, last_ms + 1, step_ms):
            if not await self._evaluate(after_ms):
                return
            for check in self._test.alert_checks:
                if after_ms <= check.at_ms < after_ms + step_ms:
                    self._check_alerts(check)
        for query in self._test.query_checks:
            self._check_query(query)
        self._dump()

    async def _evaluate(self, after_ms: int) -> bool:
        """Evaluate all groups; tells whether every rule could be."""
        at_ms = self._test.start_ms + after_ms
        self._clock.time_ms = at_ms
        self._store.show_until(at_ms)
        for group in self._groups:
            await group.evaluate(at_ms)
        failed = [rule for group in self._groups for rule in group.rules if rule.status.last_error]
        self._report.failures += [
            Failure(f"rule {rule.name} at {format_duration_ms(after_ms)}", error=rule.status.last_error)
            for rule in failed
        ]
        return not failed

    def _check_alerts(self, check: AlertCheckConfig) -> None:
        rules = [rule for group in self._groups for rule in group.alerting_rules if rule.name == check.alert]
        for rule in rules:
            for alert in rule.active.values():
                state = f"{alert.state.value} {alert.labels} = {alert.value!r}"
                self._trace(f"  {format_duration_ms(check.at_ms)}: {state}")
        if any(rule in self._opaque for rule in rules):
            self._report.skipped += 1
            return
        firing = [
            (alert.labels, alert.annotations)
            for rule in rules
            for alert in rule.active.values()
            if alert.state is AlertState.FIRING
        ]
        self._note(compare_alerts(check, firing))

    def _check_query(self, check: QueryCheckConfig) -> None:
        try:
            names = metric_names(parse(check.expression))
            if self._is_opaque(names) or any(sample.histogram for sample in check.expected):
                self._report.skipped += 1
                return
            got = query_by(self._engine)(check.expression, self._test.start_ms + check.at_ms)
        except TocsinError as error:
            self._note(Failure(title_of_query(check), error=str(error)))
            return
        self._note(compare_samples(check, got, is_fuzzy=self._file.config.fuzzy_compare))

    def _is_opaque(self, names: frozenset[str] | None) -> bool:
        """Whether native histograms, which are left out of the input, would have a part in what is asked."""
        opaque = {*self._store.histograms}.union(*(rule.writes for rule in self._opaque))
        return bool(opaque) if names is None else bool(names & opaque)

    def _note(self, failure: Failure | None) -> None:
        if failure is None:
            self._report.passed += 1
        else:
            self._report.failures.append(failure)

    def _dump(self) -> None:
        """Trace all samples, those of the input and those of the rules."""
        if self._trace is _ignore:
            return
        everything = [Matcher(METRIC_NAME, MatchType.NOT_EQUAL, "")]
        end_ms = self._test.start_ms + self._test.duration_ms
        for block in self._store.select(everything, self._test.start_ms - 1, end_ms):
            for row, labels in enumerate(block.labels):
                self._trace(f"  {labels} {block.values[row].tolist()}")


def _ordered(definitions: Iterable[GroupDefinition], file: RuleTestFile) -> list[GroupDefinition]:
    """The groups that ``group_eval_order`` names in its order; the others go with the first of them."""
    order = {name: position for position, name in enumerate(file.config.group_order)}
    return sorted(definitions, key=lambda definition: order.get(definition.config.name, 0))


def _built_on_histograms(groups: Sequence[RuleGroup], histograms: frozenset[str]) -> frozenset[Any]:
    """The rules that read native histograms, or what other such rules write."""
    if not histograms:
        return frozenset()
    opaque, names, grew = set(), set(histograms), True
    rules = [rule for group in groups for rule in group.rules]
    while grew:
        found = {rule for rule in rules if rule not in opaque and (rule.reads is None or rule.reads & names)}
        grew = bool(found)
        opaque |= found
        names = names.union(*(rule.writes for rule in found))
    return frozenset(opaque)


def _ignore(_line: str) -> None:
    """Trace nothing."""
