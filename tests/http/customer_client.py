# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Clients of the customer-token API."""

import json
from urllib.parse import quote

import client
from appliance import Appliance

ACCOUNT, SECOND_ACCOUNT, OTHER_ACCOUNT, CLOSED_ACCOUNT = "T12345678", "P00000002", "T99999999", "T00000003"
STORE = 'store { file = "symbolon.db" }'
DEMO = """
    account "T12345678" { event_expiry "PENDING" { seconds = 3600 } }
    account "P00000002" { }
    account "T00000003" { auto_customer = false  customers = {"anna"} }
    client "demo-crm" { id = 71  apis = {"customers"}  permissions = {"tokenize", "read", "detokenize"}
                        accounts = {"T12345678", "P00000002", "T00000003"} }
    client "demo-crm-writer" { id = 72  apis = {"customers"}  permissions = {"tokenize"}  accounts = {"T12345678"} }
    client "demo-crm-reader" { id = 73  apis = {"customers"}  permissions = {"read"}  accounts = {"T12345678"} }
    client "demo-crm-admin" { id = 74  apis = {"customers"}  permissions = {"admin", "detokenize"}  accounts = {"T12345678"} }
    transformation "crm" { id = 9  template = "customer"  of = "T12345678" }
    role "crm" { transformations = {"crm"} }
"""
OTHER = """
    account "T99999999" { }
    client "other-crm" { id = 75  apis = {"customers"}  permissions = {"tokenize", "read", "detokenize"}
                         accounts = {"T99999999"} }
"""
NAMES = ("demo-crm", "demo-crm-writer", "demo-crm-reader", "demo-crm-admin", "other-crm")


def with_customers(appliance: Appliance) -> Appliance:
    """Before it is started: accounts, clients and a role of the customer API, and a store."""
    appliance.top = appliance.top or STORE
    appliance.tenants = (appliance.tenants
                         .replace('    client "demo-cards" {', DEMO + '    client "demo-cards" {', 1)
                         .replace('    client "other-cards" {', OTHER + '    client "other-cards" {', 1)
                         .replace('roles = {"pan", "card", "card-2"', 'roles = {"crm", "pan", "card", "card-2"', 1))
    return appliance


class Customers:
    """A client with an access token for one account."""

    def __init__(self, appliance: Appliance, name: str = "demo-crm", account: str = ACCOUNT):
        self.appliance, self.name, self.account = appliance, name, account
        self.token = None

    def ask(self, audience: str | None = None, account: str | None = None, headers: dict | None = None,
            body=None) -> client.Reply:
        account = account or self.account
        credential = self.appliance.credential(self.name)["customers"]
        basic = client.basic_authorization({"username": credential["client_id"],
                                            "password": credential["client_secret"]})
        body = body if body is not None else {"grant_type": "client_credentials",
                                              "audience": audience or f"https://api.example/v1/accounts/{account}"}
        return self.appliance.main.request("POST", f"/v1/accounts/{account}/auth/token",
                                           {"Content-Type": "application/json", **(headers or basic)}, client.encode(body))

    def log_in(self) -> "Customers":
        reply = self.ask()
        assert reply.status == 200, reply.body
        self.token = reply.json()["access_token"]
        return self

    def call(self, method: str, path: str, body=None, token: str | None = None, account: str | None = None) -> client.Reply:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self.appliance.main.request(method, f"/v1/accounts/{account or self.account}/customers/{path}", headers,
                                           client.encode(body) if body is not None else None)

    def tokens_path(self, customer: str) -> str:
        return f"users/{quote(customer, safe='')}/tokens"

    def create(self, customer: str, body, query: str = "") -> client.Reply:
        return self.call("POST", self.tokens_path(customer) + query, body)

    def list(self, customer: str, query: str = "") -> client.Reply:
        return self.call("GET", self.tokens_path(customer) + query)

    def delete(self, customer: str, token_id: str) -> client.Reply:
        return self.call("DELETE", f"{self.tokens_path(customer)}/{quote(token_id, safe='')}")
