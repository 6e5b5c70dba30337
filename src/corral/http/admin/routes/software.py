"""What is put onto devices: configuration profiles and in-house apps."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import apps, profiles
from corral.service.access.permission import Permission as May

ENDPOINTS = (
    Endpoint(
        "GET",
        "/profiles",
        May.PROFILES_READ,
        profiles.list_stored_profiles,
        "Configuration profiles that are kept here",
    ),
    Endpoint(
        "POST",
        "/profiles",
        May.PROFILES_WRITE,
        profiles.add_stored_profile,
        "Keep a profile, or its next version",
        201,
        profiles.MAX_BODY,
    ),
    Endpoint(
        "POST",
        "/profiles/lint",
        May.PROFILES_READ,
        profiles.lint_profile,
        "What devices would have against a profile",
        max_body=profiles.MAX_BODY,
        refuses=(404,),
    ),
    Endpoint(
        "GET", "/profiles/{profile}", May.PROFILES_READ, profiles.show_stored_profile, "A profile with its versions"
    ),
    Endpoint(
        "PUT",
        "/profiles/{profile}",
        May.PROFILES_WRITE,
        profiles.put_profile_version,
        "Keep a new version of a profile",
        max_body=profiles.MAX_BODY,
        edits="/profiles/{profile}",
    ),
    Endpoint(
        "DELETE",
        "/profiles/{profile}",
        May.PROFILES_WRITE,
        profiles.remove_stored_profile,
        "Forget a profile",
        204,
        edits="/profiles/{profile}",
    ),
    Endpoint(
        "GET",
        "/profiles/{profile}/content",
        May.PROFILES_REVEAL,
        profiles.show_profile_content,
        "The property list of a version",
        watched=True,
    ),
    Endpoint(
        "POST",
        "/profiles/{profile}/install",
        May.PROFILES_INSTALL,
        profiles.install_profile,
        "Install or update it on devices",
    ),
    Endpoint(
        "POST", "/profiles/{profile}/remove", May.PROFILES_INSTALL, profiles.uninstall_profile, "Remove it from devices"
    ),
    Endpoint(
        "GET",
        "/profiles/{profile}/devices",
        May.PROFILES_READ,
        profiles.list_profile_devices,
        "Where it is wanted, and what is there",
    ),
    Endpoint(
        "GET",
        "/devices/{device}/profiles",
        May.PROFILES_READ,
        profiles.list_device_profiles,
        "What a device has and should have",
    ),
    Endpoint("GET", "/apps", May.APPS_READ, apps.list_apps, "In-house apps that are kept here"),
    Endpoint("POST", "/apps", May.APPS_WRITE, apps.add_app, "Keep an app, with the manifest of its package", 201),
    Endpoint("GET", "/apps/{app}", May.APPS_READ, apps.show_app, "One app"),
    Endpoint(
        "DELETE",
        "/apps/{app}",
        May.APPS_WRITE,
        apps.forget_app,
        "Forget an app; devices are not touched",
        204,
        edits="/apps/{app}",
    ),
    Endpoint("GET", "/apps/{app}/manifest", May.APPS_READ, apps.show_app_manifest, "Its manifest"),
    Endpoint("POST", "/apps/{app}/install", May.APPS_INSTALL, apps.install_app, "Install or update it on devices"),
    Endpoint("POST", "/apps/{app}/remove", May.APPS_INSTALL, apps.uninstall_app, "Remove it from devices"),
    Endpoint(
        "GET",
        "/devices/{device}/apps",
        May.APPS_READ,
        apps.list_device_apps,
        "The managed apps of a device, as it says",
    ),
)
