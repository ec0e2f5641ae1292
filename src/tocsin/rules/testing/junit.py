"""The outcome of test files as JUnit XML, which build servers read."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from tocsin.rules.testing.report import Failure, FileReport, TestReport


def junit_xml(reports: Iterable[FileReport]) -> str:
    """One suite a file, one case a test."""
    root = ET.Element("testsuites")
    for report in reports:
        root.append(_suite(report))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(report: FileReport) -> ET.Element:
    failed = sum(1 for test in report.tests if test.failures)
    suite = ET.Element(
        "testsuite",
        name=report.file,
        tests=str(len(report.tests)),
        failures=str(failed),
        errors=str(int(bool(report.error))),
        skipped="0",
    )
    if report.error:
        case = ET.SubElement(suite, "testcase", name=report.file, classname=report.file)
        ET.SubElement(case, "error", message=_clean(report.error))
        suite.set("tests", "1")
    suite.extend(_case(test, report.file) for test in report.tests)
    return suite


def _case(test: TestReport, file: str) -> ET.Element:
    case = ET.Element("testcase", name=_clean(test.name), classname=file, time=f"{test.duration_s:.3f}")
    for failure in test.failures:
        element = ET.SubElement(case, "failure", message=_clean(failure.what))
        element.text = _clean(_text(failure))
    return case


def _text(failure: Failure) -> str:
    if failure.error:
        return failure.error
    expected, got = ("\n".join(lines) or "nothing" for lines in (failure.expected, failure.got))
    return f"expected:\n{expected}\ngot:\n{got}"


def _clean(text: str) -> str:
    """Leave out the control characters that XML cannot hold."""
    return "".join(character for character in text if character >= " " or character in "\t\n")
