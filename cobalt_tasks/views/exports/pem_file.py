"""Certificates in PEM, one behind the other, for openssl and others: those whose bytes are known, each once."""

from collections.abc import Iterator

from cobalt_tasks.core import x509
from cobalt_tasks.hosts.exports import TableRows
from cobalt_tasks.views.exports.options import ExportOptions
from cobalt_tasks.views.exports.recent import Recent


def chunks(source: TableRows, _options: ExportOptions) -> Iterator[str]:
    """Yield the certificates. source: where they were seen."""
    fingerprint, der = (source.names.index(name) for name in ("fingerprint", "der"))
    written = Recent()
    for values in source.pages():
        pairs = zip(values[fingerprint], values[der], strict=True)
        yield "".join(x509.pem(bytes(each)) for key, each in pairs if each and written.is_new(key))
