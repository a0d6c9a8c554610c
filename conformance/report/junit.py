"""The results as JUnit XML, which every CI system can show: one suite for each section."""

from pathlib import Path
from xml.etree import ElementTree as ET

from conformance.report.results_file import Summary
from conformance.verdicts import Result, by_section

ELEMENTS = {"fail": "failure", "error": "error", "unsupported": "skipped", "inconclusive": "skipped"}
"""Verdicts that JUnit has an element for; all others are successes with their verdict as output."""

FORBIDDEN = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF), "·")
"""Characters that XML 1.0 cannot hold."""


def write(path: Path, summary: Summary) -> None:
    """Write the XML file. Raises OSError."""
    root = ET.Element("testsuites", name=f"conformance of {summary.spec.name}", time=f"{summary.seconds:.3f}")
    for section, results in by_section(summary.results).items():
        root.append(_suite(section, results))
    ET.indent(root)
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _suite(section: str, results: list[Result]) -> ET.Element:
    kinds = [ELEMENTS.get(result.verdict) for result in results]
    counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite = ET.Element("testsuite", name=section, tests=str(len(results)))
    for name, kind in counts.items():
        suite.set(name, str(kinds.count(kind)))
    suite.extend(_case(result) for result in results)
    return suite


def _case(result: Result) -> ET.Element:
    case = ET.Element(
        "testcase", classname=f"conformance.{result.section}", name=result.id, time=f"{result.seconds:.3f}"
    )
    story = f"{result.verdict}: {result.outcome}: {result.detail}".translate(FORBIDDEN)
    if kind := ELEMENTS.get(result.verdict):
        ET.SubElement(case, kind, message=story).text = ", ".join(result.requirements)
    elif result.verdict != "pass":
        ET.SubElement(case, "system-out").text = story
    return case
