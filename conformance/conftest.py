"""Runs tests that are coroutines, gives each a hub of its own, and lets a witness watch each of them."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
from pathlib import Path

import pytest

from harness import CONFIGS, KILLS, SCHEMAS, Hub, RemoteHub

LIMIT = 90.0 + 5 * KILLS  # seconds for one test on a slow machine; nothing waits so long unless it hangs


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "schema(name): the tables that the hub has: city (default) or tables")
    config.addinivalue_line("markers", "flags(*flags): flags of `framehub serve`")
    config.addinivalue_line("markers", "slow: takes seconds by its nature, and is begun first")
    config.addinivalue_line("markers", "unchecked: the test leaves nothing that could be compared with the database")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what takes long, so that the run does not end with waiting for it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_report_header() -> str:
    return f"random seed: {base_seed()} (FRAMEHUB_SEED sets it)"


def base_seed() -> int:
    """One seed for the whole run, in every process of it."""
    return int(os.environ.setdefault("FRAMEHUB_SEED", "1"))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance that is the same in every run with the same seed."""
    seed = f"{base_seed()} {request.node.name}"
    print(f"random seed: {seed!r}")
    return random.Random(seed)


@pytest.fixture
def hub(request: pytest.FixtureRequest, tmp_path: Path):
    """A hub; its own process, unless FRAMEHUB_URL names one that runs already."""
    schema = mark(request, "schema", ("city",))[0]
    if url := os.environ.get("FRAMEHUB_URL"):
        if schema != "city" or mark(request, "flags", ()):
            pytest.skip("needs a hub of its own: FRAMEHUB_URL is set")
        yield RemoteHub(url)
        return
    folder = SCHEMAS[schema]
    hub = Hub(tmp_path, folder / "schema.sql", CONFIGS[schema], list(mark(request, "flags", ())))
    hub.start()
    request.node.hub = hub
    try:
        yield hub
    finally:
        hub.kill()


@pytest.fixture
def own_hub(hub: Hub) -> Hub:
    """A hub whose process the test may stop, and whose database it may read."""
    if not hub.own:
        pytest.skip("needs a hub of its own: FRAMEHUB_URL is set")
    return hub


def mark(request: pytest.FixtureRequest, name: str, default: tuple) -> tuple:
    marker = request.node.get_closest_marker(name)
    return marker.args if marker else default


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    asyncio.run(run_test(pyfuncitem, arguments))
    return True


async def run_test(item: pytest.Function, arguments: dict) -> None:
    """Runs a test between the arrival of its witness and the check of what it left."""
    hub = item.funcargs.get("hub")
    async with asyncio.timeout(LIMIT):
        if hub is None:
            return await item.obj(**arguments)
        try:
            await hub.call_witness()
            await item.obj(**arguments)
            if item.get_closest_marker("unchecked") is None:
                await hub.check()
        finally:
            await hub.dismiss()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    outcome = yield
    report = outcome.get_result()
    hub = getattr(item, "hub", None)
    if report.failed and hub is not None:
        report.sections.append(("the hub's log", hub.log()))
