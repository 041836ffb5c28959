"""Every answer that the document promises, had and validated."""

import hypothesis
import pytest
from schemathesis import checks

from tests.contract.run import BEARER, LEDGER, SPEECH, operations, published, speech_request

OPERATIONS = operations(published())
ERRORS = [
    (label, status)
    for label, operation in OPERATIONS.items()
    for status in operation.responses.status_codes
    if status.isdigit() and int(status) >= 400
]


def valid_case(operation):
    """Some request that the operation takes."""
    if operation.path == SPEECH:
        return operation.Case(
            body=speech_request(), headers=dict(BEARER), media_type="application/json"
        )
    drawn = []

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
    assert 200 <= response.status_code < 300, f"answered {response.status_code}"
    case.validate_response(response, transport_kwargs=dict(server.options))


@pytest.mark.stub_only
@pytest.mark.parametrize(("label", "status"), ERRORS)
def test_documented_errors_are_answered_as_documented(server, label, status):
    case = valid_case(OPERATIONS[label])
    if isinstance(case.body, dict) and "model" in case.body:
        # The magic name works from any program, on a stub that runs anywhere.
        case.body["model"] = f"stub/{status}"
    elif server.server:
        server.server.fail_next(int(status))
    else:
        pytest.skip("a fault of this operation can only be injected in the same program")
    response = case.call(**server.options)
    assert response.status_code == int(status), f"answered {response.status_code}, not {status}"
    # The error is what was asked for; all else is judged as usual.
    case.validate_response(
        response,
        excluded_checks=[checks.not_a_server_error, checks.positive_data_acceptance],
        transport_kwargs=dict(server.options),
    )
    LEDGER.saw(label, int(status))
