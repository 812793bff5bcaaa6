"""What travels between the parts: records from input, jobs, facts and outcomes. Plain frozen data, no behaviour.

All times are seconds since the Unix epoch, UTC, as floats. All addresses are canonical text (addresses.py).

What comes in thousands is kept from the garbage collector (`gc=False`): it holds no cycles, and walking it costs as
much as making it.
"""

from enum import IntEnum, StrEnum
from typing import Final

from msgspec import Struct

from cobalt_tasks.core.kinds import Urgency


class State(StrEnum):
    """The states of a job. Failed is a final answer about the target; dead is our own failure."""

    PENDING = "pending"
    SENT = "sent"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"


ACTIVE_STATES = (State.PENDING, State.SENT, State.RUNNING)
FINAL_STATES = (State.DONE, State.FAILED, State.DEAD, State.CANCELLED)


# Input records -----------------------------------------------------------------------------------------------------


class Authority(IntEnum):
    """How well a line of traffic knows its connection: its ends, its protocol, and when it started."""

    PACKET = 0
    """One packet, or an event about one: which end spoke first is not known for sure."""
    LOG = 1
    """A log of an application: the ends are right, the protocol may be assumed, the time may be later than the start."""
    FLOW = 2
    """The connection's own record (Zeek's conn.log, EVE's flow), or the packet that opened it."""


class FactRank(IntEnum):
    """How far a source of a port's service, product and version is believed; the highest of those still fresh is shown."""

    PORT_NUMBER = 0
    """A name that only stands for the port's number (nmap's `method="table"`)."""
    TRAFFIC = 1
    """Seen in traffic, by a sensor."""
    BANNER = 2
    """A banner that a scanner read."""
    PROBE = 3
    """Our own probe."""
    VERSION_SCAN = 4
    """A scan that probes for versions (nmap -sV, `method="probed"`)."""


class Observation(Struct, frozen=True, kw_only=True):
    """One connection seen in traffic; the source is the end that spoke first.

    `identity` is the capture tool's own name for the connection (Zeek's uid, Suricata's flow_id): lines of one tool with
    the same identity and the same two ends become one connection, in whichever files and order they come.
    `authority` decides from which of those lines come the ends, the protocol and the start.
    `details` is what else the line reports, as JSON text; its key `direction`, which explains which end is the client
    and why, is dropped when a line of a higher authority joins.
    """

    src_ip: str
    dst_ip: str
    dst_port: int
    protocol: str = "tcp"
    src_port: int | None = None
    observed_at: float | None = None
    identity: str | None = None
    authority: Authority = Authority.LOG
    process: str | None = None
    details: str | None = None


class Discovery(Struct, frozen=True, kw_only=True):
    """One open (address, protocol, port) a scanner reported, what it found out about it, or that a host is up (port 0).

    A record without a banner and a service reports that the port is open. `banner` holds the bytes as the scanner saw
    them. `details` is what else the line reports, as JSON text: titles, technologies, CPE, scripts, MAC addresses.
    `rank` is how far service, product and version are believed. With `seen_in_traffic` a sensor reports the service, not
    a scan: the port is kept and shown, and never probed for that alone.
    """

    address: str
    protocol: str
    port: int
    observed_at: float | None = None
    reason: str | None = None
    ttl: int | None = None
    service: str | None = None
    product: str | None = None
    version: str | None = None
    banner: bytes | None = None
    rank: FactRank = FactRank.BANNER
    seen_in_traffic: bool = False
    details: str | None = None


class HardwareAddress(Struct, frozen=True, kw_only=True):
    """The MAC address of a host on a local network, in lower case with colons.

    `vendor` is the manufacturer as the tool names it; `source` is the tool.
    """

    address: str
    mac: str
    source: str
    observed_at: float
    vendor: str | None = None


class Reject(Struct, frozen=True, kw_only=True):
    """An input line that was refused: its reason, its byte position and at most its first 4 KiB."""

    position: int
    reason: str
    line: bytes


# Jobs --------------------------------------------------------------------------------------------------------------


class NewJob(Struct, frozen=True, kw_only=True):
    """A job to be made, unless its fact is fresh, its target is paused after a failure, or one like it is active.

    `protocol` and `port` stay empty for a kind whose unit is a host. `forced` overrides freshness and pause.
    """

    kind: str
    address: str
    protocol: str = ""
    port: int = 0
    urgency: Urgency = Urgency.ORDINARY
    forced: bool = False


class Job(Struct, frozen=True, kw_only=True, gc=False):
    """A job claimed by this worker: no other works on it while the lease holds.

    `discovered`: by the ledger, a scan of the user's own reported the host; looked up for kinds that probe the host.
    `isolated`: it runs in a batch of its own. `suspect`: its last run ended with its worker, or was held up, and one of
    the jobs beside it may be the reason: it runs with a few others only.
    """

    id: int
    kind: str
    address: str
    protocol: str
    port: int
    attempts: int
    forced: bool
    isolated: bool = False
    suspect: bool = False
    discovered: bool = True


# Facts -------------------------------------------------------------------------------------------------------------


class Location(Struct, frozen=True, kw_only=True, gc=False):
    """Where an address is, and whose. Unknown parts are None: never 0,0, never "Unknown".

    `sources` names the provider of each field that did not come from `provider`, as JSON text;
    `database_built` is the build time of the local database that answered; `raw` is the answer as it came, JSON text.
    A report of one source has no address, provider and time yet (`geolocation.location.combined`).
    """

    address: str = ""
    provider: str = ""
    fetched_at: float = 0.0
    country_code: str | None = None
    country_name: str | None = None
    region: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    timezone: str | None = None
    asn: int | None = None
    organisation: str | None = None
    isp: str | None = None
    sources: str | None = None
    database_built: float | None = None
    raw: str | None = None

    @property
    def is_located(self) -> bool:
        """Whether it is somewhere: the number of a network alone is no place."""
        return self.country_code is not None or self.latitude is not None


class Hostname(Struct, frozen=True, kw_only=True):
    """A name met for an address: by `ptr`, `certificate`, `redirect`, `greeting`, or an input format's own name.

    `confirmed`: the name resolves back to the address (forward-confirmed); None when that was not looked up.
    """

    address: str
    name: str
    source: str
    observed_at: float
    confirmed: bool | None = None


class Banner(Struct, frozen=True, kw_only=True):
    """What a port sent, or what a source reports about its service.

    `raw` is the evidence, `text` its printable form without NUL; both are empty where only the service is known.
    `rank` is how far service, product and version are believed. `details` is what else is known of the service, as JSON
    text: CPE, operating system, device, a page's title.
    """

    address: str
    protocol: str
    port: int
    source: str
    observed_at: float
    text: str
    raw: bytes
    service: str | None = None
    product: str | None = None
    version: str | None = None
    rank: FactRank = FactRank.PROBE
    details: str | None = None


class Certificate(Struct, frozen=True, kw_only=True):
    """An X.509 certificate, parsed from its DER (RFC 5280). `names` are its DNS names and IP addresses, sorted.

    `der` is empty where only a sensor's log describes it; `public_key`, the SHA-256 of its key in hexadecimal, then too.

    `key_type` is `RSA`, `EC`, `DSA`, `Ed25519` or `Ed448`, '' if it is another or not known; `key_size` is in bits, 0 then.
    `signature` is the digest of the signature in lower case (`sha256`), or its algorithm where that has its own.
    """

    fingerprint: str
    der: bytes
    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    self_signed: bool
    names: tuple[str, ...]
    public_key: str = ""
    key_type: str = ""
    key_size: int = 0
    signature: str = ""


class Sighting(Struct, frozen=True, kw_only=True):
    """A certificate seen on one port of one host: the same certificate on ten hosts is ten sightings.

    `details` is what the handshake showed besides, as JSON text: version and cipher suite, ALPN, the name asked for, the
    chain, and the versions and cipher suites that are accepted, where that was tried.
    """

    address: str
    protocol: str
    port: int
    fingerprint: str
    source: str
    observed_at: float
    details: str | None = None


class Facts(Struct, frozen=True, kw_only=True, gc=False):
    """The facts one batch found."""

    locations: list[Location] = []
    hostnames: list[Hostname] = []
    banners: list[Banner] = []
    hardware_addresses: list[HardwareAddress] = []
    certificates: list[Certificate] = []
    sightings: list[Sighting] = []

    def extend(self, other: "Facts") -> None:
        """Add another batch's facts to these."""
        for name in self.__struct_fields__:
            getattr(self, name).extend(getattr(other, name))


# Outcomes ----------------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """How a job ended, or why it has not."""

    DONE = "done"
    """There is an answer."""
    FAILED = "failed"
    """The final answer of the target, and it is no fact: refused, silent, no provider."""
    RETRY = "retry"
    """Ask again later; counts as an attempt."""
    WAIT = "wait"
    """Something shared has run out (a provider's quota); not an attempt."""
    FAULT = "fault"
    """Our own code failed on it: the job is isolated from now on, and is dead after its last attempt."""
    HELD_UP = "held up"
    """Something held its worker up, perhaps this job: it is suspect from now on, and treated as a fault if it was already."""


WORKER_LOST: Final = "worker lost"
"""The outcome of a job whose worker was lost while it ran; of a dead one, each time."""

HELD_UP: Final = "held up"
"""The outcome of a job whose worker was held up while it ran."""

SUSPECT: Final = (WORKER_LOST, HELD_UP)
"""Outcomes of a job that has not ended, after which it is suspect."""

NO_PROVIDER: Final = "no provider"
"""The outcome of a geolocation job for which no provider could be asked: it is no fact about the host."""


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """What came of one job.

    `code` is a short word that can be counted ("open", "refused", "no name"), `detail` one line for people.
    `fresh_for` overrides the catalog's, in seconds; `after` is the pause before a retry or the end of a wait;
    `waits_for` names what a waiting job waits for. `settles` names kinds whose jobs for the same target have nothing left to
    do, each with the seconds for which their fact is fresh.
    """

    job: Job
    verdict: Verdict
    code: str
    detail: str | None = None
    fresh_for: float | None = None
    after: float | None = None
    waits_for: str | None = None
    facts: Facts | None = None
    follow_ups: tuple[NewJob, ...] = ()
    settles: dict[str, float] = {}
