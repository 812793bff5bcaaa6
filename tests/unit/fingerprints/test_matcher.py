"""What a fingerprint asserts of what a server sent."""

from cobalt_tasks.fingerprints import compiling, recog_xml
from cobalt_tasks.fingerprints.matcher import Matcher


def test_references_in_an_answer_stay_as_they_are() -> None:
    """What a server sends is no template: each reference in it took in all others, and a banner of 2 kB took gigabytes."""
    one = (
        b'<fingerprint pattern="^T/(.+)$"><param pos="1" name="service.version"/>'
        b'<param pos="0" name="service.cpe23" value="cpe:/a:t:t:{service.version}"/></fingerprint>'
    )
    fields = compiling.check([recog_xml.parse("f", b'<fingerprints matches="f">' + one + b"</fingerprints>")]).fields
    sent = "{service.version}" * 5
    found = Matcher(fields).find("f", f"T/{sent}")
    assert found == {"service.version": sent, "service.cpe23": f"cpe:/a:t:t:{sent}"}
