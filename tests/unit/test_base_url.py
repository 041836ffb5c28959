"""Where the key may go is checked when a client is made, and what is wrong is said."""

import pytest

from modelgates_speech import ConfigurationError, ModelGates


def made(url):
    with ModelGates(api_key="key", base_url=url) as client:
        return client.base_url


@pytest.mark.parametrize(
    "url", [" http://127.0.0.1:1/X", "http://127.0.0.1:1/X/\n", "\thttp://127.0.0.1:1/X//"]
)
def test_white_space_and_slashes_around_it_do_not_matter(url):
    assert made(url) == "http://127.0.0.1:1/X"


def test_a_path_may_hold_an_at_sign():
    assert made("https://gw.example/@team/v1") == "https://gw.example/@team/v1"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://bücher.example/v1", "xn--bcher-kva.example"),
        ("https://例え.example", "xn--r8jz45g.example"),
        ("https://gw.example/a path", "percent-encode"),
        ("https://gw.example/ä", "percent-encode"),
        ("https://me:secret@gw.example", "api_key"),
        ("https://me:secret@gw.example//v1", "api_key"),
        ("gw.example", "http or https"),
        ("https://gw.example:port", "not a URL"),
        ("https://gw.example?key=1", "query"),
        ("http://gw.example", "allow_plain_http"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_what_would_be_right(url, says):
    with pytest.raises(ConfigurationError, match=says):
        made(url)
