"""What real servers answered is recognised, and what is made of their answers by damage breaks nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cobalt_tasks.protocols import Fingerprint, registry
from cobalt_tasks.protocols.fingerprint import Recogniser
from cobalt_tasks.protocols.identify import identify
from tests.support import conversations
from tests.support.peers import Peer

SAMPLES = [
    pytest.param(service, record, id=f"{service} {record['server']} {record['transport']}")
    for service, record in conversations.samples()
]


@pytest.mark.parametrize(("service", "record"), SAMPLES)
def test_a_recorded_server_is_recognised(service: str, record: dict[str, Any]) -> None:
    """Service, product, version, CPE and the rest are what they were when the server itself was asked."""
    result = conversations.peer(record).run(identify(conversations.target(record)))
    assert conversations.found(result) == record["found"]
    assert result.service == service


@pytest.mark.parametrize(("service", "record"), SAMPLES)
def test_a_damaged_answer_breaks_nothing(service: str, record: dict[str, Any]) -> None:
    """Cut anywhere, or with any byte changed, an answer raises nothing and makes text that can be stored."""
    for answer in conversations.answers(record):
        places = range(min(len(answer), 200))
        cuts = [answer[:size] for size in places]
        changed = [answer[:at] + bytes([answer[at] ^ 0xFF]) + answer[at + 1 :] for at in places]
        for damaged in (*cuts, *changed):
            for recogniser in _recognisers(service):
                shown = recogniser(damaged) or Fingerprint()
                for text in (shown.service, shown.product, shown.version, shown.info, *shown.extras.values()):
                    assert text is None or (text and text.isprintable())


def _recognisers(service: str) -> list[Recogniser]:
    protocol = registry.named(service)
    assert protocol
    return [each for each in (protocol.recognise, protocol.recognise_reply) if each]


@pytest.mark.parametrize("name", sorted(registry.BY_NAME))
@settings(max_examples=20)
@given(answers=st.lists(st.binary(max_size=60), max_size=6), transport=st.sampled_from(["tcp", "udp"]))
def test_each_protocol_ends_with_any_peer(name: str, answers: list[bytes], transport: str) -> None:
    """Whatever a peer says on a protocol's own port, the conversation ends without an exception, in a bounded number of steps."""
    protocol = registry.BY_NAME[name]
    port = next(iter(protocol.udp_ports if transport == "udp" else protocol.ports), 31337)
    supply = iter(answers)
    asked = replace(
        conversations.target({"address": "192.0.2.1", "port": port, "transport": transport}), community="public"
    )
    Peer(lambda _: next(supply, None)).run(identify(asked))
