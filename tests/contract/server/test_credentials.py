"""Who may call: the cases that Schemathesis has no words for."""

import pytest

from tests.contract.run import BEARER, KEY, LEDGER, OK, edition, speech_request

BAD = {
    "none": None,
    "empty": "",
    "another key": "Bearer another-key",
    "another scheme": f"Basic {KEY}",
    "an unknown scheme": f"Token {KEY}",
    "the key alone": KEY,
    "the scheme alone": "Bearer",
    "the scheme twice": f"Bearer Bearer {KEY}",
    "the key twice": f"Bearer {KEY} {KEY}",
    "the key and more": f"Bearer {KEY}-and-more",
}
GOOD = {
    "as documented": f"Bearer {KEY}",
    "lower case": f"bearer {KEY}",
    "upper case": f"BEARER {KEY}",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_credentials_are_refused(server, name):
    if BAD[name] is None and edition().is_public:
        pytest.skip("the OpenAPI document lets anybody call")
    response = server.send(speech_request(), headers={"Authorization": BAD[name]})
    server.judge(response, status=401)


@pytest.mark.skipif(edition().is_public, reason="the OpenAPI document lets anybody call")
def test_bad_credentials_are_refused_in_the_url(server):
    response = server.send(
        speech_request(), headers={"Authorization": None}, query=f"?api_key={KEY}"
    )
    server.judge(response, status=401)


@pytest.mark.stub_only
def test_bad_credentials_are_refused_before_the_body_is_read(server):
    response = server.send(
        data=b'{"input": ',
        headers={"Authorization": "Bearer another-key", "Content-Type": "application/json"},
    )
    server.judge(response, status=401)


@pytest.mark.parametrize("name", GOOD)
def test_good_credentials_are_accepted(server, name):
    response = server.send(speech_request(), headers={"Authorization": GOOD[name]})
    server.judge(response, status=OK)


def test_the_key_is_never_sent_back(server):
    response = server.send({**speech_request(), edition().text: 7}, headers=BEARER)
    assert KEY not in response.text
    assert KEY not in str(response.headers)
    assert KEY not in str(LEDGER.dump())
