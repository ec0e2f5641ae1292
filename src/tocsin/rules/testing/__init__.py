"""Unit tests of rules in promtool's format: files, series notation, the run, the comparison, the report."""

from tocsin.rules.testing.file import RuleTestFile, read_test_file
from tocsin.rules.testing.junit import junit_xml
from tocsin.rules.testing.report import Failure, FileReport, TestReport, write_report
from tocsin.rules.testing.runner import Options, run_file

__all__ = [
    "Failure",
    "FileReport",
    "Options",
    "RuleTestFile",
    "TestReport",
    "junit_xml",
    "read_test_file",
    "run_file",
    "write_report",
]
