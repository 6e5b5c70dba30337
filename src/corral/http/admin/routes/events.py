"""What happens: events, their types, and webhooks."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import event_types, events, webhooks
from corral.service.access.permission import Permission as May

ENDPOINTS = (
    Endpoint("GET", "/events", May.EVENTS_READ, events.list_events, "What happened, after a cursor", refuses=(409,)),
    Endpoint(
        "GET",
        "/events/stream",
        May.EVENTS_READ,
        events.stream_events,
        "What happens, as server-sent events",
        refuses=(409,),
    ),
    Endpoint("GET", "/event-types", May.EVENTS_READ, event_types.list_event_types, "The types that events have"),
    Endpoint(
        "GET",
        "/event-types/{event_type}",
        May.EVENTS_READ,
        event_types.show_event_type,
        "One type, with its JSON Schema",
    ),
    Endpoint("GET", "/webhooks", May.WEBHOOKS_READ, webhooks.list_webhooks, "Who is told of events by a call"),
    Endpoint(
        "POST",
        "/webhooks",
        May.WEBHOOKS_WRITE,
        webhooks.add_webhook,
        "Add a webhook, for what happens from now on",
        201,
    ),
    Endpoint(
        "GET", "/webhooks/{webhook}", May.WEBHOOKS_READ, webhooks.show_webhook, "One webhook, and how its receiver does"
    ),
    Endpoint(
        "PATCH",
        "/webhooks/{webhook}",
        May.WEBHOOKS_WRITE,
        webhooks.change_webhook,
        "Change a webhook, disable or enable it",
        edits="/webhooks/{webhook}",
    ),
    Endpoint(
        "DELETE",
        "/webhooks/{webhook}",
        May.WEBHOOKS_WRITE,
        webhooks.remove_webhook,
        "Remove a webhook",
        204,
        edits="/webhooks/{webhook}",
    ),
    Endpoint(
        "POST",
        "/webhooks/{webhook}/rotate",
        May.WEBHOOKS_WRITE,
        webhooks.rotate_webhook,
        "Sign with another secret",
        edits="/webhooks/{webhook}",
    ),
    Endpoint(
        "POST",
        "/webhooks/{webhook}/test",
        May.WEBHOOKS_WRITE,
        webhooks.test_webhook,
        "Send a test event, and see how it is answered",
    ),
    Endpoint("POST", "/webhooks/{webhook}/replay", May.WEBHOOKS_WRITE, webhooks.replay_webhook, "Send events again"),
    Endpoint(
        "GET",
        "/webhooks/{webhook}/dead",
        May.WEBHOOKS_READ,
        webhooks.list_dead_letters,
        "Events that were not taken for three days",
    ),
    Endpoint(
        "POST",
        "/webhooks/{webhook}/resend",
        May.WEBHOOKS_WRITE,
        webhooks.resend_letters,
        "Try such events again",
    ),
)
