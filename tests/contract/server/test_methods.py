"""Methods other than the documented ones."""

import pytest

METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "SPEAK"]


@pytest.mark.stub_only
@pytest.mark.parametrize("method", METHODS)
def test_other_methods_are_refused_with_allow(server, method):
    response = server.send(method=method)
    assert response.status_code == 405, f"{method} was answered {response.status_code}"
    allowed = response.headers.get("Allow", "")
    assert {each.strip() for each in allowed.split(",")} - {"HEAD", "OPTIONS"} == {"POST"}
    if method == "HEAD":
        assert response.content == b""
    else:
        error = response.json()["error"]
        assert isinstance(error["code"], int)
        assert isinstance(error["message"], str)
