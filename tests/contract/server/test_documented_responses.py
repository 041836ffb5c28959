"""Every answer that the document promises, had and validated."""

import functools

import hypothesis
import pytest
from schemathesis import checks

from tests.contract.run import (
    BEARER,
    LEDGER,
    SPEECH,
    edition,
    error_of,
    operations,
    published,
    spoken_case,
)

OPERATIONS = operations(published())


@pytest.fixture(autouse=True)
def without_faults_left(server):
    yield
    if server.server:
        server.server.reset()


def errors():
    """Each documented error, and for a class or a default one that nothing else documents."""
    for label, answers in LEDGER.documented.items():
        statuses = (error_of(documented, answers) for documented in answers)
        yield from ((label, status) for status in statuses if status)


def valid_case(operation):
    """Some request that the operation takes."""
    ours = (operation.method.upper(), operation.path) == ("POST", SPEECH)
    return spoken_case(operation) if ours else drawn_case(operation.label)


@functools.cache
def drawn_case(label):
    operation, drawn = OPERATIONS[label], []

    @hypothesis.settings(
        max_examples=1,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(headers=BEARER))
    def draw(case):
        drawn.append(case)

    draw()
    return drawn[0]


@pytest.mark.parametrize("label", OPERATIONS)
def test_valid_requests_succeed(server, label):
    case = valid_case(OPERATIONS[label])
    response = case.call(**server.options)
    assert 200 <= response.status_code < 400, f"answered {response.status_code}"
    # The key is said, or it might be taken for one that was drawn.
    case.validate_response(response, transport_kwargs=dict(server.options), headers=BEARER)


@pytest.mark.stub_only
@pytest.mark.parametrize(("label", "status"), [*errors()])
def test_documented_errors_are_answered_as_documented(server, label, status):
    case = valid_case(OPERATIONS[label])
    magic = f"stub/{status}"
    if label == f"POST {SPEECH}" and edition().allows(
        edition().properties.get("model", False), magic
    ):
        # The magic name works from any program, on a stub that runs anywhere.
        case.body["model"] = magic
    elif server.server:
        server.server.fail_next(status)
    else:
        case.headers["Prefer"] = f"code={status}"
    response = case.call(**server.options)
    assert response.status_code == status, f"answered {response.status_code}, not {status}"
    # The error is what was asked for; all else is judged as usual.
    case.validate_response(
        response,
        excluded_checks=[checks.not_a_server_error, checks.positive_data_acceptance],
        transport_kwargs=dict(server.options),
        headers=BEARER,
    )
    LEDGER.saw(label, status)
