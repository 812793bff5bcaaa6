"""What the tables take, for the fuzz targets and for the property tests of formats."""

from cobalt_tasks.ingest.batch import Batch

HIGHEST_PORT = 0xFFFF
LATEST = 253402300800


def check(batch: Batch) -> None:
    """Hold every row against what the tables take."""
    for _, when, _, source, _, target, port, protocol, *texts in batch.observations:
        assert 0 <= when < LATEST
        assert 0 <= port <= HIGHEST_PORT
        texts_fit(source, target, protocol, *texts)
    for each in batch.identified.values():
        assert 0 <= each.first_at <= each.observed_at <= each.last_at < LATEST
        assert 0 <= each.dst_port <= HIGHEST_PORT
        texts_fit(each.src_ip, each.dst_ip, each.protocol, each.process, each.identity, each.details)
    for _, address, protocol, port, key, when, _, reason, _, extra in batch.discoveries:
        assert 0 <= when < LATEST
        assert 0 <= port <= HIGHEST_PORT
        texts_fit(address, protocol, key, reason, extra)
    for name in batch.hostnames:
        texts_fit(name.address, name.name, name.source)
    for _, _, reason, line, _ in batch.rejects:
        texts_fit(reason)
        assert isinstance(line, bytes)


def texts_fit(*texts: str | None) -> None:
    """No database takes a NUL or half a character."""
    for text in texts:
        if text is not None:
            assert "\x00" not in text
            text.encode()
