"""The runner of the kind `whois`; only workers import it. The server is named in COBALT_WHOIS_SERVER, as ADDRESS:PORT."""

import os
import re
import time

from cobalt_tasks.core.errors import OutOfScopeError
from cobalt_tasks.core.records import Facts, Hostname, Job, Outcome, Verdict
from cobalt_tasks.core.text import hostname
from cobalt_tasks.protocols.base import Connect, ConnectionStatus, Send, Steps, Target
from workers.net import Net

_LARGEST = 64 * 1024
_CONTACT = re.compile(rb"^(?:abuse-mailbox|OrgAbuseEmail):\s*[^\s@]{1,64}@([A-Za-z0-9.-]{1,253})\s*$", re.MULTILINE)


async def probe(job: Job, net: Net) -> Outcome:
    """Ask the server about the host of `job`, through `net`; the domain of the abuse contact becomes a name of the host."""
    address, _, port = os.environ.get("COBALT_WHOIS_SERVER", "").rpartition(":")
    if not port.isdigit():
        return Outcome(job=job, verdict=Verdict.FAILED, code="no server", detail="set COBALT_WHOIS_SERVER")
    async with net.turn() as deadline:
        try:
            answer = await net.drive(_ask(job.address), Target(address=address, port=int(port)), deadline=deadline)
        except OutOfScopeError as error:
            return Outcome(job=job, verdict=Verdict.FAILED, code="no server", detail=str(error))
    contact = _CONTACT.search(answer)
    name = hostname(contact[1].decode("ascii")) if contact else None
    if name is None:
        return Outcome(job=job, verdict=Verdict.FAILED, code="no contact")
    found = Hostname(address=job.address, name=name, source="whois", observed_at=time.time())
    return Outcome(job=job, verdict=Verdict.DONE, code="contact", detail=name, facts=Facts(hostnames=[found]))


def _ask(address: str) -> Steps[bytes]:
    """Send the query, and read until the server closes the connection."""
    opened = yield Connect()
    if opened.status is not ConnectionStatus.OPEN:
        return b""
    answer = yield Send(f"{address}\r\n".encode(), wait=3.0, is_complete=lambda _: False, limit=_LARGEST)
    return answer.data
