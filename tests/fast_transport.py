"""Makes the fast transport the default one, so that any suite can be run over it.

pytest -p tests.fast_transport tests/faults tests/unit/test_client.py
"""

from modelgates_speech import _connect

# It asserts that httpcore's own log was looked at; the fast transport does not log.
ABOUT_HTTPCORE = "test_the_key_is_in_no_log_at_debug"


def _fast_by_default(new):
    return lambda base_url, given=None: new(base_url, given or "fast")


def pytest_configure():
    _connect.new_transport = _fast_by_default(_connect.new_transport)
    _connect.new_async_transport = _fast_by_default(_connect.new_async_transport)


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if item.originalname == ABOUT_HTTPCORE]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item.originalname != ABOUT_HTTPCORE]
