"""Downloads the archive of recog's latest release, or whatever archive a URL names."""

import re
import time
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from cobalt_tasks.core.errors import FingerprintsError
from cobalt_tasks.fingerprints.archive import LARGEST_ARCHIVE
from cobalt_tasks.geolocation.providers.transport import BadReplyError, Transport, UnreachableError, chunks

_SECONDS: Final = 120.0
_MOST_REDIRECTS: Final = 5
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TAG: Final = re.compile(r"(https?://[^?#]{1,500})/releases/tag/([\w.+-]{1,100})")
"""Where GitHub's address of the latest release leads."""


def download(url: str, target: Path) -> str:
    """Download an archive to `target`; return the address it came from.

    Args:
        url: of an archive, or of the latest release of a repository on GitHub.
        target: the file to write.

    Raises:
        FingerprintsError: it cannot be had.

    """
    transport = Transport()
    end = time.monotonic() + _SECONDS
    try:
        for _ in range(_MOST_REDIRECTS):
            with transport.open("GET", url, seconds=max(1.0, end - time.monotonic())) as response:
                if response.status_code in _REDIRECTS:
                    url = _followed(url, response.headers.get("Location", ""))
                    continue
                if response.status_code != _OK:
                    raise FingerprintsError(f"{url} answered {response.status_code}")
                with target.open("wb") as file:
                    for chunk in chunks(response):
                        file.write(chunk)
                        if file.tell() > LARGEST_ARCHIVE:
                            raise FingerprintsError(f"{url} sends more than {LARGEST_ARCHIVE >> 20} MiB")
                return url
    except (UnreachableError, BadReplyError) as error:
        raise FingerprintsError(f"{url}: {error}: download it elsewhere, and install it with --from FILE") from error
    finally:
        transport.close()
    raise FingerprintsError(f"{url}: more than {_MOST_REDIRECTS} redirects")


def _followed(url: str, location: str) -> str:
    """Return where a redirect leads; the page of a release stands for its archive.

    Raises:
        FingerprintsError: it leads nowhere, or from https to http.

    """
    found = urljoin(url, location)
    if release := _TAG.fullmatch(found):
        found = f"{release[1]}/archive/refs/tags/{release[2]}.tar.gz"
    scheme = urlsplit(found).scheme
    if not location or scheme not in {"http", "https"} or (url.startswith("https:") and scheme != "https"):
        raise FingerprintsError(f"{url} leads to an address that is not used: {location[:100]!r}")
    return found
