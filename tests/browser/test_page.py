# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The hosted page as a person meets it, in Chromium: sets up an appliance with requests in every state and a file
that names them, installs the browser's driver into the build folder, and lets page.mjs look.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "http"))

from appliance import BUILD, Appliance, Clock, free_port  # noqa: E402
from request_client import LIFE_S, Members, with_requests  # noqa: E402

WORK = BUILD / "tests" / "browser"
START_S = 1_900_000_000
DESCRIPTION = "Two chairs and a small round table, oak, delivered before Easter"
NAMES = """display_name = "Café Payments" }"""


def install_driver() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(HERE / name, WORK / name)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], cwd=WORK, check=True,
                   timeout=300)


def transfer(members: Members, url: str, **changes) -> dict:
    return members.body(redirectUrl=url, description=DESCRIPTION, callbackState='state-"ü"-1', **changes)


def standing_order(members: Members, url: str) -> dict:
    instructions = members.payload()["transferBody"]["instructions"]
    return transfer(members, url, transferBody=None, standingOrderBody={
        "amount": "49.90", "currency": "EUR", "frequency": "MNTH", "startDate": "2030-04-01", "endDate": "2031-03-31",
        "instructions": instructions, "remittanceReference": "Club membership 4711"})


def access(members: Members, url: str) -> dict:
    return transfer(members, url, transferBody=None, tokenExpiration=str(START_S + 90 * 86400), accessBody={
        "resourceTypeList": {"resources": ["ACCOUNTS", "BALANCES", "TRANSACTIONS"]}, "transactionHistoryDays": 90})


def hostile(members: Members, url: str) -> dict:
    """Long words, other directions of writing and markup, in all the texts that are shown."""
    evil = "<b>" + "W" * 200 + "</b>"
    body = transfer(members, url, actingAs={"displayName": evil})
    body["requestPayload"]["description"] = "שלום עולם " + evil
    body["requestPayload"]["transferBody"]["lifetimeAmount"] = "999999999999999.9999"
    body["requestPayload"]["transferBody"]["remittanceReference"] = "R" * 140
    return body


def make_requests(members: Members, clock: Clock, url: str) -> dict:
    """One id for each state. The clock ends where pages can be opened and forms sent."""
    names = {}
    clock.set(START_S - LIFE_S)
    names["expired"] = members.make(transfer(members, url))
    clock.set(START_S)
    for name, make in (("transfer", transfer), ("standing-order", standing_order), ("access", access),
                       ("hostile", hostile)):
        names[name] = members.make(make(members, url))
    for name, decision in (("approved", "approve"), ("rejected", "reject")):
        names[name] = members.make(transfer(members, url))
        assert members.decide(names[name], decision).status == 200
    for name in ("approve", "reject", "keyboard", "plain", "twice"):  # to be decided
        names[name] = members.make(transfer(members, url + "?order=7"))
    names["unknown"] = names["transfer"][:-1] + "1"
    return names


def main() -> int:
    install_driver()
    appliance = with_requests(Appliance())
    appliance.tenants = appliance.tenants.replace('display_name = "Café <Payments> & Söhne" }', NAMES, 1)
    appliance.set_up()
    clock = Clock(appliance, START_S)
    appliance.start()
    members = Members(appliance)
    landing = free_port()
    plan = {
        "origin": f"https://127.0.0.1:{appliance.port}",
        "landing": landing,
        "state": 'state-"ü"-1',
        "member": members.member_id(),
        "requests": make_requests(members, clock, f"http://127.0.0.1:{landing}/cb"),
        "screenshots": str(WORK / "screenshots"),
    }
    (WORK / "plan.json").write_text(json.dumps(plan))
    for name in ("page.mjs", "contrast.mjs"):
        shutil.copy2(HERE / name, WORK / name)  # beside the driver, where imports are looked for
    done = subprocess.run(["node", "page.mjs"], cwd=WORK, timeout=500)
    appliance.finish()
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
