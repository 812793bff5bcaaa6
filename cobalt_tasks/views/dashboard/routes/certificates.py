"""The route of certificates."""

from typing import Annotated, Literal

from fastapi import FastAPI, HTTPException, Path, Query, Request, Response

from cobalt_tasks.core import x509
from cobalt_tasks.core.errors import ConfigurationError
from cobalt_tasks.hosts import certificates as stored
from cobalt_tasks.hosts.search import find
from cobalt_tasks.hosts.search.fields import Searchable
from cobalt_tasks.views import certificates as views
from cobalt_tasks.views.dashboard.answers import CertificatePage
from cobalt_tasks.views.dashboard.description import answers
from cobalt_tasks.views.dashboard.routes.parts import Limit, json_answer, live_of
from cobalt_tasks.views.dashboard.routes.search import Mark, Text

Expiring = Annotated[
    str | None, Query(max_length=20, description="Only those in use that expire within 30d, 2w or 12h.")
]
Expired = Annotated[bool, Query(description="Only those in use that have expired.")]
Replaced = Annotated[
    bool | None, Query(description="With or without those that no port shows any more; default: with, in full lists.")
]


def add_certificates(app: FastAPI) -> None:
    """Add the route of certificates to `app`."""

    @app.get("/api/certificates", tags=["lists"])
    @answers(CertificatePage)
    def certificates(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        q: Text = "",
        expiring: Expiring = None,
        expired: Expired = False,  # noqa: FBT002
        replaced: Replaced = None,
        limit: Limit = 100,
        after: Mark = None,
    ) -> Response:
        """Return certificates, those that expire first at the front, with the ports that showed them.

        `state` is valid, expiring (within 30 days), expired or not yet valid; `in_use`: a port shows it still. Each port
        has its sources, when they saw the certificate there, and the fingerprint of the one that replaced it. Of more than
        50 ports, 50 are listed.
        """
        database = live_of(request).database
        search = find.read(database, q, Searchable.CERTIFICATES, request.app.state.home)
        try:
            chosen = views.wanted(search, expiring=expiring, expired=expired, replaced=replaced)
        except ConfigurationError as error:
            raise HTTPException(422, str(error)) from None
        return json_answer(views.page(database, chosen, limit, after))

    @app.get("/api/certificates/{fingerprint}", tags=["lists"], response_class=Response)
    @answers(None, 404, media_types=("application/x-pem-file", "application/pkix-cert"))
    def certificate(
        request: Request,
        fingerprint: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The SHA-256 of the certificate.")],
        form: Annotated[
            Literal["pem", "der"], Query(alias="format", description="PEM, or the bytes themselves.")
        ] = "pem",
    ) -> Response:
        """Return a certificate itself, as a file."""
        with live_of(request).database.reading() as connection:
            der = stored.der_of(connection, fingerprint)
        if not der:
            raise HTTPException(404, "the ledger holds no certificate with this fingerprint")
        headers = {"Content-Disposition": f'attachment; filename="{fingerprint[:16]}.{form}"'}
        if form == "der":
            return Response(der, media_type="application/pkix-cert", headers=headers)
        return Response(x509.pem(der), media_type="application/x-pem-file", headers=headers)
