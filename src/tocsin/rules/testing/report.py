"""What came of running test files, and how it is told."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that failed: what differs, line by line, or the error that kept it from being made."""

    what: str
    expected: tuple[str, ...] = ()
    got: tuple[str, ...] = ()
    error: str = ""


@dataclass(slots=True)
class TestReport:
    """The checks of one test."""

    __test__ = False

    name: str
    passed: int = 0
    skipped: int = 0
    duration_s: float = 0.0
    failures: list[Failure] = field(default_factory=list)


@dataclass(slots=True)
class FileReport:
    """The tests of one file; ``error`` says why it could not be run at all."""

    file: str
    tests: list[TestReport] = field(default_factory=list)
    error: str = ""
    is_readable: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(test.passed for test in self.tests)

    @property
    def skipped(self) -> int:
        """How many checks are about native histograms, which are not supported."""
        return sum(test.skipped for test in self.tests)

    @property
    def failures(self) -> list[Failure]:
        """All failures."""
        return [failure for test in self.tests for failure in test.failures]

    @property
    def is_success(self) -> bool:
        """Whether nothing failed."""
        return not self.error and not self.failures


def write_report(report: FileReport, *, as_diff: bool = False) -> Iterator[str]:
    """The lines about one file: the verdict, and below it what failed."""
    for warning in report.warnings:
        yield f"WARNING  {report.file}: {warning}"
    yield _verdict(report)
    for test in report.tests:
        for failure in test.failures:
            yield f"  {test.name}: {failure.what}"
            yield from (f"      {line}" for line in _details(failure, as_diff=as_diff))


def _verdict(report: FileReport) -> str:
    if report.error:
        return f"FAILED   {report.error}"
    counts = [_count(len(report.tests), "test"), f"{_count(report.passed, 'check')} passed"]
    if report.failures:
        counts.append(f"{len(report.failures)} failed")
    if report.skipped:
        counts.append(f"{report.skipped} skipped (native histograms are not supported)")
    return f"{'SUCCESS' if report.is_success else 'FAILED '}  {report.file}: {', '.join(counts)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _details(failure: Failure, *, as_diff: bool) -> Iterator[str]:
    if failure.error:
        yield f"error: {failure.error}"
    elif as_diff:
        yield from _diff(failure.expected, failure.got)
    else:
        yield from _column("expected", failure.expected)
        yield from _column("got", failure.got)


def _column(title: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines or ("nothing",)):
        yield f"{'' if number else title + ':':10}{line}"


def _diff(expected: Sequence[str], got: Sequence[str]) -> Iterator[str]:
    """Lines that only one side has, marked ``-`` for expected and ``+`` for got."""
    return (line.rstrip("\n") for line in difflib.ndiff(expected, got))
