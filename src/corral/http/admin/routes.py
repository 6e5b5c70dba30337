"""Every address of the admin API, under `/api/v1`. What is not here does not exist, and nothing here is open."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import (
    account_sessions,
    ade_devices,
    ade_profiles,
    ade_servers,
    apps,
    authorities,
    commands,
    devices,
    escrow,
    event_types,
    events,
    installation,
    links,
    policy,
    profiles,
    push_certificates,
    request_types,
    tokens,
    webhooks,
)

_PROFILE = profiles.MAX_BODY

ENDPOINTS = (
    Endpoint("GET", "/status", installation.show_status, "The state of the installation"),
    Endpoint("GET", "/metrics", installation.show_metrics, "Metrics, for Prometheus"),
    Endpoint("GET", "/events", events.list_events, "What happened, after a cursor"),
    Endpoint("GET", "/events/stream", events.stream_events, "What happens, as server-sent events"),
    Endpoint("GET", "/event-types", event_types.list_event_types, "The types that events have"),
    Endpoint("GET", "/event-types/{event_type}", event_types.show_event_type, "One type, with its JSON Schema"),
    Endpoint("GET", "/webhooks", webhooks.list_webhooks, "Who is told of events by a call"),
    Endpoint("POST", "/webhooks", webhooks.add_webhook, "Add a webhook, for what happens from now on", 201),
    Endpoint("GET", "/webhooks/{webhook}", webhooks.show_webhook, "One webhook, and how its receiver does"),
    Endpoint("PATCH", "/webhooks/{webhook}", webhooks.change_webhook, "Change a webhook, disable or enable it"),
    Endpoint("DELETE", "/webhooks/{webhook}", webhooks.remove_webhook, "Remove a webhook", 204),
    Endpoint("POST", "/webhooks/{webhook}/rotate", webhooks.rotate_webhook, "Sign with another secret"),
    Endpoint(
        "POST", "/webhooks/{webhook}/test", webhooks.test_webhook, "Send a test event, and see how it is answered"
    ),
    Endpoint("POST", "/webhooks/{webhook}/replay", webhooks.replay_webhook, "Send events again"),
    Endpoint(
        "GET", "/webhooks/{webhook}/dead", webhooks.list_dead_letters, "Events that were not taken for three days"
    ),
    Endpoint("POST", "/webhooks/{webhook}/resend", webhooks.resend_letters, "Try such events again"),
    Endpoint("GET", "/authority", authorities.show_authority, "The certificate of the authority that issues"),
    Endpoint("GET", "/authorities", authorities.list_authorities, "All authorities, and what depends on each"),
    Endpoint("POST", "/authorities", authorities.rotate_authority, "Roll the authority over to a new one", 201),
    Endpoint("POST", "/authorities/{authority}/retire", authorities.retire_authority, "Believe one no longer"),
    Endpoint("GET", "/breaker", installation.show_breaker, "The breaker against mass unenrollment"),
    Endpoint("POST", "/breaker/close", installation.close_breaker, "Let unenrolling answers flow again"),
    Endpoint("GET", "/links", links.list_links, "Enrollment links"),
    Endpoint("POST", "/links", links.create_link, "Make an enrollment link", 201),
    Endpoint("GET", "/links/{link}", links.show_link, "One enrollment link"),
    Endpoint("DELETE", "/links/{link}", links.revoke_link, "Withdraw an enrollment link", 204),
    Endpoint("POST", "/links/{link}/profile", links.make_profile, "A profile for one device under this link"),
    Endpoint("GET", "/account-sessions", account_sessions.list_sessions, "Sign-ins of people with their accounts"),
    Endpoint("DELETE", "/account-sessions/{session}", account_sessions.revoke_session, "End a sign-in", 204),
    Endpoint("GET", "/policy", policy.show_policy, "The admission policy: who may enroll, and what is told to others"),
    Endpoint("PUT", "/policy", policy.put_policy, "Replace the admission policy"),
    Endpoint("POST", "/policy/test", policy.try_policy, "What would be answered to somebody who asks to be enrolled"),
    Endpoint("GET", "/devices", devices.list_devices, "Devices"),
    Endpoint("GET", "/devices/{device}", devices.show_device, "A device with its lives, channels and certificates"),
    Endpoint("DELETE", "/devices/{device}", devices.forget_device, "Forget a device that is not connected", 204),
    Endpoint("GET", "/devices/{device}/timeline", devices.show_timeline, "What happened with a device"),
    Endpoint("POST", "/devices/{device}/end", devices.end_device, "End its connection"),
    Endpoint(
        "POST", "/devices/{device}/block", devices.block_device, "Block it: it is told to leave and cannot enroll"
    ),
    Endpoint("POST", "/devices/{device}/unblock", devices.unblock_device, "Let it enroll again"),
    Endpoint("POST", "/devices/{device}/renew", devices.renew_device, "Renew its identity certificate"),
    Endpoint(
        "POST",
        "/devices/{device}/takeover",
        devices.decide_takeover,
        "Let a newcomer take its place that claims to be it, or turn it away",
    ),
    Endpoint(
        "POST", "/devices/{device}/return-to-service", devices.return_to_service, "Erase it, and have it come back"
    ),
    Endpoint(
        "POST",
        "/devices/{device}/revoke-certificate",
        devices.revoke_certificate,
        "Believe its identity certificates no longer",
    ),
    Endpoint("POST", "/devices/{device}/wake", devices.wake_device, "Push to it, so that it asks for its commands"),
    Endpoint("GET", "/devices/{device}/escrow", escrow.list_escrow, "The secrets that it has given into keeping"),
    Endpoint("POST", "/devices/{device}/escrow/show", escrow.show_escrow, "One of those secrets, for a reason"),
    Endpoint(
        "POST",
        "/devices/{device}/filevault/rotate",
        escrow.rotate_filevault_key,
        "Have a Mac make a new recovery key, and give it into keeping",
    ),
    Endpoint(
        "GET", "/filevault/profile", escrow.make_filevault_profile, "The profile by which Macs give their recovery key"
    ),
    Endpoint("DELETE", "/devices/{device}/commands", commands.clear_commands, "Cancel all its open commands"),
    Endpoint("GET", "/commands", commands.list_commands, "Commands and what became of them"),
    Endpoint("POST", "/commands", commands.send_command, "Queue a command for devices", max_body=commands.MAX_BODY),
    Endpoint("GET", "/commands/{command}", commands.show_command, "A command with its deliveries and results"),
    Endpoint("DELETE", "/commands/{command}", commands.cancel_command, "Cancel what is open of a command"),
    Endpoint("GET", "/commands/{command}/result", commands.show_result, "The answer of one device, as it came"),
    Endpoint(
        "POST", "/commands/{command}/reveal", commands.reveal_command, "What was sent and answered, secrets and all"
    ),
    Endpoint("GET", "/request-types", request_types.list_request_types, "The commands that Apple's schema has"),
    Endpoint("GET", "/request-types/{request_type}", request_types.show_request_type, "One command, with its keys"),
    Endpoint("GET", "/profiles", profiles.list_stored_profiles, "Configuration profiles that are kept here"),
    Endpoint("POST", "/profiles", profiles.add_stored_profile, "Keep a profile, or its next version", 201, _PROFILE),
    Endpoint(
        "POST", "/profiles/lint", profiles.lint_profile, "What devices would have against a profile", max_body=_PROFILE
    ),
    Endpoint("GET", "/profiles/{profile}", profiles.show_stored_profile, "A profile with its versions"),
    Endpoint("DELETE", "/profiles/{profile}", profiles.remove_stored_profile, "Forget a profile", 204),
    Endpoint("GET", "/profiles/{profile}/content", profiles.show_profile_content, "The property list of a version"),
    Endpoint("POST", "/profiles/{profile}/install", profiles.install_profile, "Install or update it on devices"),
    Endpoint("POST", "/profiles/{profile}/remove", profiles.uninstall_profile, "Remove it from devices"),
    Endpoint(
        "GET", "/profiles/{profile}/devices", profiles.list_profile_devices, "Where it is wanted, and what is there"
    ),
    Endpoint("GET", "/devices/{device}/profiles", profiles.list_device_profiles, "What a device has and should have"),
    Endpoint("GET", "/apps", apps.list_apps, "In-house apps that are kept here"),
    Endpoint("POST", "/apps", apps.add_app, "Keep an app, with the manifest of its package", 201),
    Endpoint("GET", "/apps/{app}", apps.show_app, "One app"),
    Endpoint("DELETE", "/apps/{app}", apps.forget_app, "Forget an app; devices are not touched", 204),
    Endpoint("GET", "/apps/{app}/manifest", apps.show_app_manifest, "Its manifest"),
    Endpoint("POST", "/apps/{app}/install", apps.install_app, "Install or update it on devices"),
    Endpoint("POST", "/apps/{app}/remove", apps.uninstall_app, "Remove it from devices"),
    Endpoint("GET", "/devices/{device}/apps", apps.list_device_apps, "The managed apps of a device, as it says"),
    Endpoint("GET", "/push-certificates", push_certificates.list_push_certificates, "The push certificates"),
    Endpoint("POST", "/push-certificates", push_certificates.import_push_certificate, "Import a push certificate", 201),
    Endpoint(
        "POST", "/push-certificates/request", push_certificates.request_push_certificate, "A signing request for one"
    ),
    Endpoint("GET", "/tokens", tokens.list_tokens, "Bearer tokens of this API"),
    Endpoint("POST", "/tokens", tokens.create_token, "Make a bearer token", 201),
    Endpoint("DELETE", "/tokens/{token}", tokens.revoke_token, "Revoke a bearer token", 204),
    Endpoint("GET", "/ade/servers", ade_servers.list_servers, "Servers of automated enrollment"),
    Endpoint("POST", "/ade/servers", ade_servers.add_server, "Add one, with a key of its own", 201),
    Endpoint("GET", "/ade/servers/{server}", ade_servers.show_server, "A server, and how its synchronization goes"),
    Endpoint("DELETE", "/ade/servers/{server}", ade_servers.remove_server, "Forget a server", 204),
    Endpoint("POST", "/ade/servers/{server}/token", ade_servers.import_token, "Import its token from Apple's portal"),
    Endpoint("POST", "/ade/servers/{server}/sync", ade_servers.sync_server, "Synchronize with Apple now"),
    Endpoint(
        "POST", "/ade/servers/{server}/discovery", ade_servers.register_discovery, "Register a discovery URL", 204
    ),
    Endpoint("GET", "/ade/servers/{server}/profiles", ade_profiles.list_profiles, "Its profiles"),
    Endpoint("POST", "/ade/servers/{server}/profiles", ade_profiles.define_profile, "Define a profile at Apple", 201),
    Endpoint("GET", "/ade/servers/{server}/profiles/{profile}", ade_profiles.show_profile, "One profile"),
    Endpoint(
        "DELETE", "/ade/servers/{server}/profiles/{profile}", ade_profiles.remove_profile, "Forget a profile", 204
    ),
    Endpoint("POST", "/ade/servers/{server}/default", ade_profiles.set_default, "Which profile no rule gives out"),
    Endpoint("GET", "/ade/servers/{server}/rules", ade_profiles.list_rules, "Which devices get which profile"),
    Endpoint("POST", "/ade/servers/{server}/rules", ade_profiles.set_rules, "Set all rules of a server"),
    Endpoint("POST", "/ade/servers/{server}/assign", ade_devices.assign_devices, "Give devices a profile"),
    Endpoint("POST", "/ade/servers/{server}/unassign", ade_devices.unassign_devices, "Take their profile away"),
    Endpoint("POST", "/ade/servers/{server}/release", ade_devices.release_devices, "Leave devices to the rules again"),
    Endpoint("POST", "/ade/servers/{server}/disown", ade_devices.disown_devices, "Give devices up for ever"),
    Endpoint("POST", "/ade/servers/{server}/lock", ade_devices.lock_device, "Activation Lock for the organization"),
    Endpoint("GET", "/ade/devices", ade_devices.list_ade_devices, "Devices that Apple lists"),
    Endpoint("GET", "/ade/devices/{device}", ade_devices.show_ade_device, "A device, by serial number"),
)
