"""etcd: `/version` of its client port."""

from cobalt_tasks.protocols.json_api import protocol

PROTOCOL = protocol(
    "etcd",
    "etcd",
    "/version",
    rb'"etcdserver": ?"([0-9][\w.+-]{0,40})"',
    ports=(2379, 2380, 4001),
    tls_ports=(2379, 2380),
)
