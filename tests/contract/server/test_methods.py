"""Methods other than the documented ones."""

import pytest

from tests.contract.run import edition

DOCUMENTED = {method.upper() for method in edition().item} - {"PARAMETERS", "SERVERS", "SUMMARY"}
METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "SPEAK"]


@pytest.mark.stub_only
@pytest.mark.parametrize("method", [each for each in METHODS if each not in DOCUMENTED])
def test_other_methods_are_refused_with_allow(server, method):
    response = server.send(method=method)
    assert response.status_code == 405, f"{method} was answered {response.status_code}"
    allowed = response.headers.get("Allow", "")
    unasked = {"HEAD", "OPTIONS"} - DOCUMENTED
    listed = {each.strip() for each in allowed.split(",")} - unasked
    assert listed == DOCUMENTED & {"POST", *METHODS}
    if method == "HEAD":
        assert response.content == b""
    elif (
        edition().errors
        and all(map(edition().is_enveloped, edition().errors))
        and not edition().answers(405)
    ):
        error = response.json()["error"]
        assert isinstance(error["code"], int)
        assert isinstance(error["message"], str)
