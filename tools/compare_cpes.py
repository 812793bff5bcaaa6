"""Compares our CPE names with those of the installed fingerprints, where both name a product of the same answer.

    .venv/bin/cobalt fingerprints update && .venv/bin/python tools/compare_cpes.py

Each line is one difference: our product and name, the other's, how often, and an example. Not every difference is a mistake:
the dictionary of CPE names has several for some products, and changes them.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from cobalt_tasks.core import settings
from cobalt_tasks.fingerprints import manifest
from cobalt_tasks.fingerprints.matcher import Matcher
from cobalt_tasks.fingerprints.merging import vendor_and_product
from cobalt_tasks.fingerprints.records import Example
from cobalt_tasks.protocols import recognise
from cobalt_tasks.protocols.details import cpe_name

FORMS = {
    "ssh.banner": b"SSH-2.0-%s\r\n",
    "ftp.banner": b"220 %s\r\n",
    "smtp.banner": b"220 %s\r\n",
    "imap4.banner": b"* OK %s\r\n",
    "pop3.banner": b"+OK %s\r\n",
    "nntp.banner": b"200 %s\r\n",
    "mysql.banners": b"\x50\x00\x00\x00\x0a%s\x00\x08\x00\x00\x00",
    "http_header.server": b"HTTP/1.1 200 OK\r\nServer: %s\r\n\r\n",
    "http_header.cookie": b"HTTP/1.1 200 OK\r\nSet-Cookie: %s\r\n\r\n",
    "http_header.wwwauth": b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: %s\r\n\r\n",
    "html_title": b"HTTP/1.1 200 OK\r\n\r\n<title>%s</title>",
    "sip_header.server": b"SIP/2.0 200 OK\r\nServer: %s\r\n\r\n",
    "rtsp_header.server": b"RTSP/1.0 200 OK\r\nServer: %s\r\n\r\n",
}
"""An answer that holds a value of each field."""


def differences(matcher: Matcher, examples: Iterable[Example]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (our product, our name, the other name, text) where both know a product.

    Args:
        matcher: the installed fingerprints.
        examples: theirs.

    """
    for each in examples:
        form = FORMS.get(each.field)
        theirs = vendor_and_product((matcher.find(each.field, each.text) or {}).get("service.cpe23", ""))
        if form and theirs:
            known = recognise(form % each.text.encode())
            ours = cpe_name(known)
            if known.product and ours != theirs:
                yield known.product, ours or "none", theirs, each.text.replace("\n", " ")[:70]


def main() -> None:
    """Print the differences, the most frequent first."""
    folder = settings.load().fingerprints_folder
    found = manifest.load(folder)
    if found is None:
        sys.exit(f"no fingerprints in {folder}: run cobalt fingerprints update")
    matcher = Matcher(manifest.patterns(folder, found))
    counted: Counter[tuple[str, str, str]] = Counter()
    samples = {}
    for product, ours, theirs, text in differences(matcher, manifest.examples(folder, found)):
        counted[product, ours, theirs] += 1
        samples[product, ours, theirs] = text
    for key, count in counted.most_common():
        print(f"{key[0]:30} ours {key[1]:40} theirs {key[2]:40} {count:4}  {samples[key]}")


if __name__ == "__main__":
    main()
