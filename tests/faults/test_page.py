"""The page tells of every fault what the matrix proves of it."""

from tests.faults.page import PAGE, tables, written
from tests.faults.table import BODIES, FAULTS, STATUSES, UNDOCUMENTED


def test_the_page_is_written_from_the_table_of_faults():
    page = PAGE.read_text("utf-8")
    assert written(page) == page, "run: python -m tests.faults.page"


def test_every_fault_is_on_the_page():
    page = PAGE.read_text("utf-8")
    paired = {f"{status} with {body.name}" for status in STATUSES for body in BODIES}
    paired |= {f"{status} with {body.name}" for status in UNDOCUMENTED for body in BODIES}
    for fault in FAULTS:
        assert fault.name in paired or f"| {fault.name} |" in page
    for status in (*STATUSES, *UNDOCUMENTED):
        assert str(status) in tables()["statuses"]
