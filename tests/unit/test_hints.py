"""What Redis holds is believed only where it makes sense."""

import time

import msgspec
import pytest

from cobalt_tasks.core.catalog import QUEUES
from cobalt_tasks.messages import hints

_ODD = [
    None,
    True,
    b"",
    b"nan",
    b"inf",
    b"-inf",
    b"-1",
    b"1e400",
    b"1e-320",
    b"0",
    b"0x10",
    b"x" * 100_000,
    b"\xff",
    [],
    {},
    10**400,
]


@pytest.mark.parametrize("raw", _ODD, ids=lambda raw: repr(raw)[:20])
def test_an_odd_number_counts_as_absent(raw: object) -> None:
    """Whatever is no number within the bounds is None, and never an exception. Break: the bounds in `number`."""
    assert hints.number(raw, 1e-6, 3600) is None


def test_a_sensible_number_is_read() -> None:
    """Bytes, text and numbers within the bounds are read."""
    assert [hints.number(raw, 1e-6, 3600) for raw in (b"0.25", "0.25", 0.25, 1)] == [0.25, 0.25, 0.25, 1.0]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"headers": 7}',
        b'{"headers": {"cobalt_sent_at": []}}',
        b'{"headers": {"cobalt_sent_at": "nan"}}',
        b'{"headers": {"cobalt_sent_at": -5}}',
        b'{"headers": {"cobalt_sent_at": 1e300}}',
        b"[" * 100_000,
    ],
    ids=lambda message: repr(message)[:40],
)
def test_a_message_of_another_kind_proves_no_loss(message: bytes) -> None:
    """An element of a queue that is none of our messages counts as sent at 0, so that nothing is sent again for it."""
    assert hints.sent_at(message) == 0.0


def test_the_time_of_a_message_is_read() -> None:
    """The header that the sender wrote comes back."""
    now = time.time()
    assert hints.sent_at(msgspec.json.encode({"headers": {hints.SENT_AT: now}})) == now
    assert hints.sent_at(None) is None


@pytest.mark.parametrize(
    "answers",
    [None, {}, "x", [7], [{7: {"queues": []}}], [{"w": 7}], [{"w": {"error": "x"}}], [{"w" * 1000: {"queues": []}}]],
)
def test_odd_answers_of_workers_are_left_out(answers: object) -> None:
    """Answers of another shape name no worker."""
    assert hints.worker_reports(answers) == {}


def test_reports_of_workers_are_read_as_far_as_they_make_sense() -> None:
    """Parts of an answer that are no queues, and figures that are none, are left out."""
    forged = {"queues": [], "descriptors": "x", "descriptor_limit": -1, "clock": float("nan"), "step": {}}
    said = {"queues": ["domain", "banner", 7], "descriptors": 12, "descriptor_limit": 1024, "clock": 1.5, "step": -3600}
    assert hints.worker_reports([{"b": said}, {"a": forged}]) == {
        "a": hints.WorkerReport(queues=[]),
        "b": hints.WorkerReport(
            queues=["banner", "domain"], descriptors=12, descriptor_limit=1024, clock=1.5, step=-3600
        ),
    }
    assert set(QUEUES) >= {"banner", "domain"}
