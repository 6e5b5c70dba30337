"""The installation: its state, its authorities and push certificates, and the breaker."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import authorities, installation, push_certificates
from corral.service.access.permission import Permission as May

ENDPOINTS = (
    Endpoint("GET", "/status", May.STATUS_READ, installation.show_status, "The state of the installation"),
    Endpoint("GET", "/metrics", May.STATUS_READ, installation.show_metrics, "Metrics, for Prometheus"),
    Endpoint(
        "GET", "/authority", May.STATUS_READ, authorities.show_authority, "The certificate of the authority that issues"
    ),
    Endpoint(
        "GET",
        "/authorities",
        May.STATUS_READ,
        authorities.list_authorities,
        "All authorities, and what depends on each",
    ),
    Endpoint(
        "POST",
        "/authorities",
        May.AUTHORITIES_WRITE,
        authorities.rotate_authority,
        "Roll the authority over to a new one",
        201,
    ),
    Endpoint(
        "POST",
        "/authorities/{authority}/retire",
        May.AUTHORITIES_WRITE,
        authorities.retire_authority,
        "Believe one no longer",
    ),
    Endpoint("GET", "/breaker", May.STATUS_READ, installation.show_breaker, "The breaker against mass unenrollment"),
    Endpoint(
        "POST",
        "/breaker/close",
        May.BREAKER_CLOSE,
        installation.close_breaker,
        "Let unenrolling answers flow again",
    ),
    Endpoint(
        "GET",
        "/push-certificates",
        May.PUSH_CERTIFICATES_READ,
        push_certificates.list_push_certificates,
        "The push certificates",
    ),
    Endpoint(
        "POST",
        "/push-certificates",
        May.PUSH_CERTIFICATES_WRITE,
        push_certificates.import_push_certificate,
        "Import a push certificate",
        201,
    ),
    Endpoint(
        "POST",
        "/push-certificates/request",
        May.PUSH_CERTIFICATES_WRITE,
        push_certificates.request_push_certificate,
        "A signing request for one",
    ),
)
