"""The clocks that must agree: a lease is renewed well before it ends, a sweep sees its end soon after, and Redis hands a
message out again only when every batch that could still hold it is over.
"""

LEASE_SECONDS = 12.0
"""How long a claim holds without being renewed: how long a killed worker's jobs stay with it."""

RENEW_SECONDS = LEASE_SECONDS / 3

SWEEP_SECONDS = 3.0

LOST_AFTER_SECONDS = 8.0
"""How long a message may be on its way, neither waiting in Redis nor claimed, before its jobs are sent again."""

JOB_SECONDS = 20.0
"""The longest any probe of one job may take, whatever its own deadlines are."""

GRACE_SECONDS = 5.0
"""How long a worker that was asked to stop goes on with the batches it has started; then it hands them back."""

SOFT_LIMIT_SECONDS = 30
HARD_LIMIT_SECONDS = 45

VISIBILITY_SECONDS = 150
"""At least three times the longest batch, or Redis would hand out work that is being done."""

STALLED_SECONDS = 60.0
"""How long a worker may take nothing while messages wait; longer than any batch, or a busy worker would seem stalled."""
