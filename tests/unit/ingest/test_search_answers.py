"""Answers of Elasticsearch and OpenSearch (`_search`): each document in them is a record."""

import json

import pytest

from cobalt_tasks.ingest import formats
from cobalt_tasks.ingest.batch import Batch
from tests.support.reading import Row, connections, names, read

EVENT = {"timestamp": "2026-05-13T06:52:29.000000+0000", "flow_id": 5, "event_type": "tls", "proto": "TCP"}
ENDS = {"src_ip": "192.0.2.2", "src_port": 50000, "dest_ip": "203.0.113.80", "dest_port": 443}
ECS = {
    "@timestamp": "2026-05-13T06:52:29.000Z",
    "ecs": {"version": "8.0.0"},
    "log": {"file": {"path": "/var/log/flows"}},
    "source": {"ip": "192.0.2.2", "port": 50000},
    "destination": {"ip": "203.0.113.80", "port": 443},
    "network": {"transport": "tcp", "type": "ipv4"},
    "event": {"dataset": "network_traffic.flow", "kind": "event"},
}
ZEEK = {"ts": 1.5, "uid": "C1", "id.orig_h": "192.0.2.2", "id.orig_p": 50000, "id.resp_h": "203.0.113.80"}
DOCUMENTS = {
    "suricata-eve": EVENT | ENDS | {"tls": {"sni": "a.example.com"}},
    "packetbeat": ECS,
    "zeek-json": ZEEK | {"id.resp_p": 443, "proto": "tcp", "conn_state": "SF"},
}
EXPECTED = ("192.0.2.2", 50000, "203.0.113.80", 443, "tcp")


def answer(*documents: Row, **beside: object) -> Row:
    """Return an answer with these documents."""
    hits = [
        {"_index": "a", "_id": str(number), "_score": None, "_source": each} for number, each in enumerate(documents)
    ]
    found = {"total": {"value": len(hits), "relation": "eq"}, "max_score": None, "hits": hits}
    return {"took": 3, "timed_out": False, "_shards": {"total": 1, "failed": 0}, "hits": found, **beside}


def written(form: str, whole: Row) -> str:
    """Return an answer as it is written: on a line, for people, by `jq .`, or only its hits (`filter_path`)."""
    match form:
        case "filtered":
            return json.dumps({"hits": {"hits": whole["hits"]["hits"]}}, separators=(",", ":"))
        case "pretty":
            # As Elasticsearch prints it.
            return json.dumps(whole, indent=2, separators=(",", " : ")) + "\n"
        case "jq":
            return json.dumps(whole, indent=4) + "\n"
    return json.dumps(whole, separators=(",", ":")) + "\n"


@pytest.mark.parametrize("form", ["line", "filtered", "pretty", "jq"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_an_answer(name: str, form: str) -> None:
    """However the answer is written, its documents are read as the lines they came from, and nothing is rejected.

    Break: `_ANSWER` or `_opens_documents` in json_text.py.
    """
    document = DOCUMENTS[name]
    batch = read(written(form, answer(document)), name)
    assert connections(batch) == [EXPECTED]
    assert batch.rejects == []
    assert batch.records == 1


def test_names_in_an_answer() -> None:
    """A document has all the facts that its line has."""
    batch = read(written("line", answer(DOCUMENTS["suricata-eve"])), "suricata-eve")
    assert names(batch) == {("203.0.113.80", "a.example.com")}


@pytest.mark.parametrize("form", ["line", "pretty"])
def test_a_long_answer_is_read_in_pieces(form: str) -> None:
    """An answer of 10,000 documents is never held: it is cut between them, and each is read once.

    Break: `_whole_elements` or `_whole_objects` in json_text.py.
    """
    flows = [EVENT | ENDS | {"flow_id": number, "tls": {"sni": "x" * 300}} for number in range(1000)]
    data = written(form, answer(*flows, aggregations={})).encode()
    chosen = formats.recognise(data)
    assert chosen is not None
    reader, batch, at, held = chosen(), Batch(1, 2e9, "suricata"), 0, b""
    for start in range(0, len(data), 100_000):
        held += data[start : start + 100_000]
        whole = reader.split(held)
        reader.parse(held[:whole], at, batch)
        at, held = at + whole, held[whole:]
        assert len(held) < 100_000
    reader.parse(held, at, batch)
    assert len(batch.identified) == batch.records - len(batch.rejects) == 1000
