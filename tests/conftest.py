import pytest


@pytest.hookimpl(trylast=True)  # once the folders have marked their own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first, so that no process is left alone with one when all others are done."""
    slow = {each.path for each in items if each.get_closest_marker("slow") or each.get_closest_marker("long")}
    items.sort(key=lambda each: each.path not in slow)
