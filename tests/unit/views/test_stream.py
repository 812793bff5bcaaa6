"""What a stream sends first, whatever happens at the same time."""

import asyncio

from cobalt_tasks.views.dashboard.stream import StreamedDocument, Streams


def test_a_new_stream_begins_with_the_whole_document() -> None:
    """So it does while the next version is being made, which lets go of the one before the newest.

    It began with a change of a document that its page did not have: the page stayed empty for seconds. Break: let
    `differences` compare `before` with nothing.
    """

    async def first_event() -> bytes:
        streams = Streams()
        newest = StreamedDocument({"hosts": 2}, None, StreamedDocument({"hosts": 1}, None, None))
        streams._newest = newest
        StreamedDocument({"hosts": 3}, None, newest)
        assert newest.difference
        events = streams.differences(lambda: {"hosts": 3})
        await anext(events)
        return await anext(events)

    assert b"event: data\n" in asyncio.run(first_event())
