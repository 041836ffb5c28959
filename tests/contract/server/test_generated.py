"""The cases that Schemathesis makes of the document, judged by every check that it has."""

import hypothesis
import pytest
import schemathesis
from schemathesis.core.errors import NoLinksFound
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.warnings import SchemathesisWarning
from schemathesis.generation.meta import TestPhase

from tests.contract.run import (
    BEARER,
    LEDGER,
    SETTINGS,
    SPEECH,
    StoppedError,
    edition,
    explored,
    in_process,
    is_over,
    judged,
    name_model,
    schema,
    secured,
)

# `ignored_auth` never fires without a security requirement, which the document lacks. Where
# little is to be sent, that document adds nothing else.
DOCUMENTS = {
    "as published": (explored(judged()), True),
    "with security": (explored(secured()), not SETTINGS.breadth),
}


def schemas():
    remote = SETTINGS.base_url is not None
    # What is the same for each of a hundred providers is asked once, of the document as it is.
    breadth = SETTINGS.breadth or REPEATED
    for name, (contents, coverage) in DOCUMENTS.items():
        if not remote:
            first = name == "as published"
            made = schema(
                contents, coverage=coverage, breadth=SETTINGS.breadth if first else breadth
            )
            # The checks repeat requests on their own: they find the application here.
            made.app = in_process().app
            yield f"{name}, in process", made
        if remote or (name == "as published" and SETTINGS.defect is None):
            yield f"{name}, over a socket", schema(contents, coverage=coverage, breadth=breadth)


REPEATED = 12
SEQUENCES = hypothesis.settings(
    max_examples=20,
    stateful_step_count=6,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
SCHEMAS = dict(schemas())
FAILURES: list[Failure] = []
ALLOWED = edition().validator(edition().schema)


@schemathesis.hook
def after_validate(context, case, response, results):
    for result in results:
        failure = result.failure and f"{result.failure.title}\n{result.failure.message}"
        LEDGER.enter(result.name, failure=failure, where=case.operation.label)
    if not any(result.failure for result in results):
        LEDGER.saw(case.operation.label, response.status_code)


# RFC 9110 lets a server say 501 to a method that it does not know for any resource.
LEFT_OPEN = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.unsupported_method,
]


# Known to every server of HTTP, which has to say 405 where it does not allow one.
KNOWN = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}


def is_odd(case):
    return case.method.upper() not in KNOWN


def left_out(case, response):
    """The checks that have nothing to say of this case."""
    if response.status_code == 501 and is_odd(case):
        return LEFT_OPEN
    # What is drawn as valid need not be, where the schema has conditions (`if`, `then`).
    drawn = case.operation.label == f"POST {SPEECH}" and isinstance(case.body, dict)
    if drawn and not ALLOWED.is_valid(case.body):
        return [schemathesis.checks.positive_data_acceptance]
    return []


@schemathesis.pytest.parametrize(**SCHEMAS)
def test_generated_cases(case, server):
    if is_over():
        return
    name_model(case)
    options = in_process().options if case.operation.app else server.options
    try:
        response = case.call(**options)
        case.validate_response(
            response,
            transport_kwargs=dict(options),
            # Said, or one that was drawn beside it might be taken for the one that was sent.
            headers=BEARER,
            excluded_checks=left_out(case, response),
        )
    except StoppedError:
        # Not an outcome of this case; conftest and the report tell.
        return
    except FailureGroup as group:
        if case.meta.phase.name is TestPhase.FUZZING:
            raise
        # Hypothesis stops at the first case of the coverage phase that fails, and there is
        # nothing to shrink: noted, and told below, so that one defect does not hide another.
        FAILURES.extend(group.exceptions)


@pytest.mark.told
def test_no_case_of_the_coverage_phase_failed():
    if FAILURES:
        raise FailureGroup(FAILURES)


def test_sequences_of_calls():
    linked = schema(explored(judged()))
    if SETTINGS.base_url:
        linked.config.update(base_url=SETTINGS.base_url)
    else:
        linked.app = in_process().app
    try:
        machine = linked.as_state_machine()
        machine.run(settings=SEQUENCES)
    except NoLinksFound:
        pytest.skip("the document has no links, so no sequences of calls")


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemathesis_warns_of_nothing(name):
    warnings = SCHEMAS[name].iter_schema_warnings()
    # That it cannot read an answer, such as one of JSON by lines, is no fault of the document.
    unread = SchemathesisWarning.MISSING_DESERIALIZER
    assert [warning.message for warning in warnings if warning.kind != unread] == []
