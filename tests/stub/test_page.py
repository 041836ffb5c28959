"""The root page: for browsers a page that needs nothing else, for others plain text."""

import json
import re
from importlib.resources import files

import httpx
import pytest

from modelgates_speech.stub.usage import KINDS, STATUS

PAGE = files("modelgates_speech.stub").joinpath("page.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/plain"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("text/plain", "text/plain"),
        ("TEXT/HTML", "text/html"),
    ],
)
def test_those_who_name_html_get_the_page_and_others_text(stub, accept, kind):
    answer = httpx.get(stub.url, headers={"Accept": accept})
    assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert "Accept" in answer.headers["Vary"]
    assert (answer.text == PAGE) == (kind == "text/html")


def test_the_page_is_one_file_that_asks_nobody_else():
    inert = PAGE.replace("xmlns='http://www.w3.org/2000/svg'", "")  # a name, not an address
    assert not re.findall(r"https?://|<link rel=.stylesheet|\bsrc=|@import", inert)
    assert "default-src 'none'" in PAGE
    assert "connect-src 'self'" in PAGE


def test_the_controls_document_has_every_fault_and_what_can_be_set_about_it(stub):
    control = httpx.get(f"{stub.url}/_stub/openapi.json").json()
    body = control["paths"]["/_stub/faults"]["post"]["requestBody"]
    told = {}
    for kind in body["content"]["application/json"]["schema"]["oneOf"]:
        options = dict(kind["properties"])
        name = options.pop("fault").get("const", STATUS.name)
        del options["times"]
        told[name] = (kind["description"].lower(), tuple(options))
    kinds = (STATUS, *KINDS.values())
    assert told == {kind.name: (kind.does.lower(), tuple(kind.options)) for kind in kinds}


def test_the_newest_requests_can_be_asked_for(stub, speak):
    for text in ("One.", "Two.", "Three."):
        speak(input=text)
    newest = httpx.get(f"{stub.url}/_stub/requests", params={"last": 2}).json()["requests"]
    assert [request["body"]["input"] for request in newest] == ["Two.", "Three."]
    refused = httpx.get(f"{stub.url}/_stub/requests", params={"last": "0"})
    assert refused.status_code == 400
    assert "last" in json.dumps(refused.json())
