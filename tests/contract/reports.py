"""The ledger for machines: JUnit and HAR. For people, see scripts/contract.py."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import harfile

if TYPE_CHECKING:
    from tests.contract.ledger import Ledger

# What XML cannot hold, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(ledger: Ledger) -> str:
    """Write a test case for each check, with the curl line that repeats its last failure."""
    suite = ET.Element(
        "testsuite",
        name="contract",
        tests=str(len(ledger.verdicts) + len(ledger.skipped)),
        failures=str(sum(bool(verdict.failed) for verdict in ledger.verdicts.values())),
        skipped=str(len(ledger.skipped)),
    )
    for name, verdict in sorted(ledger.verdicts.items()):
        case = ET.SubElement(suite, "testcase", classname="contract", name=name)
        if verdict.failed:
            failure = ET.SubElement(
                case, "failure", message=_xml(f"{verdict.failed} failed {verdict.where}".strip())
            )
            failure.text = _xml(f"{verdict.detail}\n\n{verdict.curl}")
    for name, reason in sorted(ledger.skipped.items()):
        case = ET.SubElement(suite, "testcase", classname="contract", name=name)
        ET.SubElement(case, "skipped", message=_xml(reason))
    suites = ET.Element("testsuites")
    suites.append(suite)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def har(ledger: Ledger, file: IO[str]) -> None:
    """Write every exchange as an HTTP archive; bodies are shortened, keys redacted."""
    with harfile.open(file) as archive:
        for exchange in ledger.exchanges:
            kind = exchange.request_headers.get("Content-Type", "")
            milliseconds = exchange.seconds * 1000
            archive.add_entry(
                startedDateTime=datetime.fromtimestamp(exchange.started, UTC).isoformat(),
                time=milliseconds,
                request=harfile.Request(
                    method=exchange.method,
                    url=exchange.url,
                    httpVersion="HTTP/1.1",
                    headers=_records(exchange.request_headers),
                    queryString=[
                        harfile.Record(name=name, value=value)
                        for name, value in parse_qsl(urlsplit(exchange.url).query)
                    ],
                    postData=harfile.PostData(mimeType=kind, text=exchange.request_body)
                    if exchange.request_body
                    else None,
                ),
                response=harfile.Response(
                    status=exchange.status,
                    statusText="",
                    httpVersion="HTTP/1.1",
                    headers=_records(exchange.response_headers),
                    content=harfile.Content(
                        size=exchange.response_size,
                        mimeType=exchange.response_headers.get("content-type", ""),
                        text=exchange.response_body,
                    ),
                ),
                timings=harfile.Timings(send=0, wait=milliseconds, receive=0),
            )


def _records(headers: dict[str, str]) -> list[harfile.Record]:
    return [harfile.Record(name=name, value=value) for name, value in headers.items()]
