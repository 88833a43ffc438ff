"""Section 7: who is here, and what happens when they go. The hub's grace is short here, so that going takes a second."""

import asyncio
import random

import pytest

from framehub_client import Device, Refused, Sub, add, delete, insert, put
from harness import KILLS, Hub

SESSIONS = "framehub_session"
pytestmark = pytest.mark.flags("--presence", "--grace", "1s")


def states(watcher: Device) -> dict[bytes, str]:
    return {key[0]: row["state"] for key, row in watcher.copy.rows(SESSIONS).items()}


async def until(watcher: Device, device: Device, state: str | None) -> None:
    await watcher.wait(lambda: states(watcher).get(device.id) == state)


async def watch(hub: Hub) -> Device:
    return await hub.device(subs=[Sub(SESSIONS), Sub("entity")])


async def test_capabilities_and_rights(own_hub: Hub):
    watcher = await watch(own_hub)
    assert {"presence", "wills"} <= set(watcher.hello.capabilities)
    table = watcher.hello.schema.named(SESSIONS)
    assert table.names == ["device", "user", "role", "since", "state"]
    assert table.rights == 1
    with pytest.raises(Refused) as refused:
        await watcher.write(delete(SESSIONS, {"device": watcher.id}))
    assert refused.value.code == "forbidden"


async def test_a_device_is_here_away_and_gone(own_hub: Hub):
    watcher = await watch(own_hub)
    device = await own_hub.device(subs=[], role="server")
    await until(watcher, device, "here")
    row = watcher.copy.rows(SESSIONS)[(device.id,)]
    assert row["role"] == "server" and row["user"] is None
    await device.cut()
    await until(watcher, device, "away")
    away = watcher.copy.rows(SESSIONS)[(device.id,)]["since"]
    assert away > row["since"]
    await device.connect()
    await until(watcher, device, "here")
    await device.cut()
    await until(watcher, device, None)


async def test_who_says_goodbye_has_gone_at_once(own_hub: Hub):
    watcher = await watch(own_hub)
    seen = []
    watcher.on_frame = lambda version: seen.append(states(watcher))
    for leave in ("leave", "close"):
        device = await own_hub.device(subs=[])
        await until(watcher, device, "here")
        await getattr(device, leave)()
        await until(watcher, device, None)
        assert "away" not in {state.get(device.id) for state in seen}


async def test_a_will_runs_once_when_its_device_has_gone(own_hub: Hub):
    watcher = await watch(own_hub)
    device = await own_hub.device(subs=[])
    version = await device.will(put("entity", {"id": 700, "x": 1.0}))
    assert version <= (await device.clock()).version
    await device.cut()
    await until(watcher, device, None)
    assert (700,) in watcher.copy.rows("entity")
    await watcher.write(delete("entity", {"id": 700}))
    again = await own_hub.device(subs=[], device=device.id)
    await again.cut()
    await until(watcher, device, None)
    assert (700,) not in watcher.copy.rows("entity")


async def test_a_will_is_replaced_cancelled_and_cleared(own_hub: Hub):
    watcher = await watch(own_hub)
    device = await own_hub.device(subs=[])
    await device.will(put("entity", {"id": 701}))
    await device.will(put("entity", {"id": 702}))
    await device.cut()
    await device.connect()
    await asyncio.sleep(1.5)  # longer than the grace
    assert not {(701,), (702,)} & watcher.copy.rows("entity").keys()
    await device.will()
    await device.cut()
    await until(watcher, device, None)
    assert not {(701,), (702,)} & watcher.copy.rows("entity").keys()


@pytest.mark.parametrize(
    "ops, code",
    [
        ([put("entity", {"id": 1, "x": "far"})], None),  # SQL says so, and is asked when it runs
        ([put("zone", {"id": 1, "name": "x" * 70_000})], "too_large"),
    ],
)
async def test_a_will_that_is_refused_leaves_the_one_before(own_hub: Hub, ops: list, code: str | None):
    watcher = await watch(own_hub)
    device = await own_hub.device(subs=[])
    await device.will(put("entity", {"id": 703}))
    if code:
        with pytest.raises(Refused) as refused:
            await device.will(*ops)
        assert refused.value.code == code
    else:
        await device.will(*ops)
    await device.leave()
    await until(watcher, device, None)
    assert ((703,) in watcher.copy.rows("entity")) == bool(code)


@pytest.mark.slow
async def test_after_a_kill_those_who_stay_away_go(own_hub: Hub):
    watcher = await watch(own_hub)
    stays, goes = await own_hub.device(subs=[]), await own_hub.device(subs=[])
    await stays.will(insert("entity", {"id": 710}))
    await goes.will(insert("entity", {"id": 711}))
    own_hub.kill()
    own_hub.start()
    for device in (watcher, stays):
        await own_hub.reconnect(device)
    await until(watcher, stays, "here")
    await until(watcher, goes, None)
    assert (711,) in watcher.copy.rows("entity")
    assert (710,) not in watcher.copy.rows("entity")


@pytest.mark.slow
async def test_a_will_runs_once_whenever_the_hub_is_killed(own_hub: Hub, chance: random.Random):
    """Kills around the moment at which a will is due: it adds, so that a second time would show."""
    watcher = await watch(own_hub)
    for round in range(KILLS):
        id = 800 + round
        await watcher.write(put("entity", {"id": id, "x": 0.0}))
        device = await own_hub.device(subs=[])
        await device.will(add("entity", {"id": id, "x": 1.0}))
        await device.cut()
        await asyncio.sleep(chance.uniform(0.9, 1.1))
        own_hub.kill()
        own_hub.start()
        await own_hub.reconnect(watcher)
        await until(watcher, device, None)
        assert watcher.copy.rows("entity")[(id,)]["x"] == 1.0, f"round {round}"
