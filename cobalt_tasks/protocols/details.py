"""What a fingerprint shows beside service, product and version, as it is stored: JSON text, with the product's CPE 2.3."""

from typing import Any, Final

import msgspec

from cobalt_tasks.protocols.fingerprint import Fingerprint

_CPE: Final = {
    "389 Directory Server": "redhat:389_directory_server",
    "Apache": "apache:http_server",
    "Apache Tomcat": "apache:tomcat",
    "BaseHTTP": "python:python",
    "Boa": "boa:boa",
    "CUPS": "openprinting:cups",
    "Caddy": "caddyserver:caddy",
    "Consul": "hashicorp:consul",
    "CouchDB": "apache:couchdb",
    "Courier": "courier-mta:courier-imap",
    "Cyrus": "cmu:cyrus_imap_server",
    "Docker Engine": "docker:engine",
    "Dovecot": "dovecot:dovecot",
    "Drupal": "drupal:drupal",
    "Eclipse Jetty": "eclipse:jetty",
    "Elasticsearch": "elastic:elasticsearch",
    "Exim": "exim:exim",
    "FileZilla Server": "filezilla-project:filezilla_server",
    "FortiGate": "fortinet:fortios",
    "GitLab": "gitlab:gitlab",
    "Gitea": "gitea:gitea",
    "Grafana": "grafana:grafana",
    "Haraka": "haraka_project:haraka",
    "Home Assistant": "home-assistant:home-assistant",
    "ISC BIND": "isc:bind",
    "Icecast": "xiph:icecast",
    "InfluxDB": "influxdata:influxdb",
    "Jellyfin": "jellyfin:jellyfin",
    "Jenkins": "jenkins:jenkins",
    "Joomla": "joomla:joomla\\!",
    "Kibana": "elastic:kibana",
    "Knot DNS": "nic:knot_dns",
    "Kubernetes": "kubernetes:kubernetes",
    "MailEnable": "mailenable:mailenable",
    "MariaDB": "mariadb:mariadb",
    "MediaWiki": "mediawiki:mediawiki",
    "Microsoft Exchange": "microsoft:exchange_server",
    "Microsoft IIS": "microsoft:internet_information_services",
    "Microsoft SQL Server": "microsoft:sql_server",
    "MinIO": "minio:minio",
    "MongoDB": "mongodb:mongodb",
    "Mosquitto": "eclipse:mosquitto",
    "MySQL": "oracle:mysql",
    "NATS server": "nats:nats_server",
    "NSD": "nlnetlabs:name_server_daemon",
    "Nagios": "nagios:nagios",
    "Nexus Repository Manager": "sonatype:nexus_repository_manager",
    "Nextcloud": "nextcloud:nextcloud_server",
    "OpenLDAP": "openldap:openldap",
    "OpenSMTPD": "opensmtpd:opensmtpd",
    "OpenSSH": "openbsd:openssh",
    "OpenSearch": "amazon:opensearch",
    "PHP": "php:php",
    "Pi-hole": "pi-hole:pi-hole",
    "Plex Media Server": "plex:media_server",
    "Portainer": "portainer:portainer",
    "Postfix": "postfix:postfix",
    "PostgreSQL": "postgresql:postgresql",
    "PowerDNS": "powerdns:authoritative_server",
    "ProFTPD": "proftpd:proftpd",
    "Prometheus": "prometheus:prometheus",
    "Prosody": "prosody:prosody",
    "Proxmox VE": "proxmox:virtual_environment",
    "Pure-FTPd": "pureftpd:pure-ftpd",
    "RabbitMQ": "vmware:rabbitmq",
    "Redis": "redis:redis",
    "RouterOS": "mikrotik:routeros",
    "Samba": "samba:samba",
    "Sendmail": "sendmail:sendmail",
    "Serv-U": "solarwinds:serv-u",
    "SonarQube": "sonarsource:sonarqube",
    "Squid": "squid-cache:squid",
    "Synology DSM": "synology:diskstation_manager",
    "TeamCity": "jetbrains:teamcity",
    "Traefik": "traefik:traefik",
    "UnrealIRCd": "unrealircd:unrealircd",
    "Unbound": "nlnetlabs:unbound",
    "Valkey": "lfprojects:valkey",
    "Vault": "hashicorp:vault",
    "Webmin": "webmin:webmin",
    "Werkzeug": "palletsprojects:werkzeug",
    "WordPress": "wordpress:wordpress",
    "X.Org": "x.org:xorg-server",
    "Zabbix": "zabbix:zabbix",
    "Zimbra": "zimbra:collaboration",
    "dnsmasq": "thekelleys:dnsmasq",
    "dropbear": "dropbear_ssh_project:dropbear_ssh",
    "ejabberd": "process-one:ejabberd",
    "etcd": "etcd:etcd",
    "gunicorn": "gunicorn:gunicorn",
    "kamailio": "kamailio:kamailio",
    "libssh": "libssh:libssh",
    "lighttpd": "lighttpd:lighttpd",
    "memcached": "memcached:memcached",
    "mini_httpd": "acme:mini_httpd",
    "nginx": "f5:nginx",
    "ngircd": "barton:ngircd",
    "oidentd": "oidentd_project:oidentd",
    "phpMyAdmin": "phpmyadmin:phpmyadmin",
    "pyftpdlib": "pyftpdlib_project:pyftpdlib",
    "rsync": "samba:rsync",
    "squid": "squid-cache:squid",
    "tinyproxy": "tinyproxy_project:tinyproxy",
    "uvicorn": "encode:uvicorn",
    "vsftpd": "vsftpd_project:vsftpd",
}
"""Vendor and product in the dictionary of CPE names, of products that recognisers name without one."""

_SPECIAL: Final = str.maketrans({mark: f"\\{mark}" for mark in "!\"#$%&'()+,/:;<=>@[]^`{|}~*?"})


def cpe_name(known: Fingerprint) -> str | None:
    """Return vendor and product as CPE 2.3 writes them, `vendor:product`; None if the product has none."""
    return known.cpe or _CPE.get(known.product or "")


def quoted(text: str) -> str:
    """Return a part of a name as CPE 2.3 quotes it (NIST IR 7695 6.2): lower case, special characters behind a backslash."""
    return "".join(text.lower().replace("\\", "").split()).translate(_SPECIAL)


def cpe(known: Fingerprint) -> str | None:
    """Return the product's formatted name of CPE 2.3 (NIST IR 7695 6.2); None if it has none. The version is `*` if unknown."""
    name = cpe_name(known)
    if not name:
        return None
    version = quoted(known.version) if known.version else "*"
    return f"cpe:2.3:a:{name}:{version}:*:*:*:*:*:*:*"


def details_of(known: Fingerprint, tls: str | None = None) -> str | None:
    """Return what else a fingerprint shows, as JSON text; None if there is nothing.

    tls: version and cipher suite the service was spoken to in; None in the clear.
    """
    found: dict[str, Any] = {
        "cpe": cpe(known),
        "info": known.info,
        "os": known.os,
        "device": known.device,
        "tls": tls,
        **known.extras,
        "confidence": known.confidence if known.product and known.confidence < 1 else None,
        "sources": known.sources or None,
    }
    kept = {name: value for name, value in found.items() if value is not None}
    return msgspec.json.encode(kept).decode() if kept else None
