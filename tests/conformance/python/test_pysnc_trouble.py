"""PySNC: what it makes of refusals, and of sessions that end."""

import asyncio
import time
import unittest

import requests
from pysnc import ServiceNowClient
from pysnc.asyncio import AsyncServiceNowClient
from pysnc.auth import ServiceNowClientCredentialsFlow, ServiceNowPasswordGrantFlow
from pysnc.exceptions import AuthenticationException, NotFoundException, RequestException, RoleException

from simulators import ADMIN, CA, INTEGRATION, SERVICENOW


def client(auth=ADMIN):
    return ServiceNowClient(SERVICENOW.https, auth, verify=CA)


def insert(client, table="incident", **fields):
    record = client.GlideRecord(table)
    record.initialize()
    for name, value in fields.items():
        record.set_value(name, value)
    record.insert()
    return record


class Refusals(unittest.TestCase):
    def tearDown(self):
        SERVICENOW.clear_faults()

    def test_a_wrong_password_is_an_authentication_error(self):
        with self.assertRaisesRegex(AuthenticationException, "User Not Authenticated"):
            client(("admin", "wrong")).GlideRecord("incident").query()

    def test_a_table_that_does_not_exist_is_named(self):
        with self.assertRaisesRegex(RequestException, "Invalid table no_such_table"):
            client().GlideRecord("no_such_table").query()

    def test_a_record_that_is_not_there_cannot_be_changed(self):
        record = insert(client(), short_description="to be lost")
        SERVICENOW.admin("delete", {"object": "incident", "id": str(record.get_value("sys_id"))})
        record.short_description = "too late"
        with self.assertRaisesRegex(NotFoundException, "No Record found"):
            record.update()
        self.assertFalse(client().GlideRecord("incident").get(str(record.get_value("sys_id"))))

    def test_a_business_rule_that_aborts_is_told_by_name(self):
        SERVICENOW.admin(
            "rule",
            {
                "name": "No bananas",
                "table": "incident",
                "when": "before",
                "on": "insert",
                "condition": "short_descriptionLIKEbanana",
                "action": "abort",
            },
        )
        try:
            with self.assertRaisesRegex(RoleException, "aborted by Business Rule 'No bananas"):
                insert(client(), short_description="a banana")
        finally:
            SERVICENOW.admin("removeRule", {"name": "No bananas"})

    def test_a_data_policy_names_what_is_mandatory(self):
        record = insert(client(INTEGRATION), short_description="to resolve")
        record.set_value("state", "6")
        with self.assertRaisesRegex(RoleException, "Data Policy Exception"):
            record.update()
        record.set_value("close_code", "Solution provided")
        record.set_value("close_notes", "done")
        self.assertIsNotNone(record.update())

    def test_access_rules_refuse_writes_and_hide_rows_and_fields(self):
        SERVICENOW.admin("acl", {"table": "incident", "operation": "create", "grant": "nobody"})
        SERVICENOW.admin(
            "acl", {"table": "incident", "field": "urgency", "operation": "read", "grant": "nobody"}
        )
        SERVICENOW.admin(
            "acl",
            {
                "table": "incident",
                "operation": "read",
                "grant": {"role": "itil"},
                "condition": "category=database",
            },
        )
        try:
            with self.assertRaisesRegex(RoleException, "ACL Exception Insert Failed"):
                insert(client(INTEGRATION), short_description="not allowed")
            record = client(INTEGRATION).GlideRecord("incident", batch_size=1000)
            record.query()
            rows = [row.serialize() for row in record]
            self.assertTrue(0 < len(rows) < len(record), "rows are counted before rules hide them")
            self.assertEqual({row["category"] for row in rows}, {"database"})
            self.assertFalse([row for row in rows if "urgency" in row])
        finally:
            for field, operation in ((None, "create"), ("urgency", "read"), (None, "read")):
                SERVICENOW.admin("removeAcls", {"table": "incident", "field": field, "operation": operation})

    def test_a_page_that_is_no_json_is_an_error_with_its_text(self):
        SERVICENOW.fault("servicenow.list", "statusBefore", times=1, status=504, body="<html>Oops</html>")
        with self.assertRaisesRegex(RequestException, "Oops"):
            client().GlideRecord("incident").query()

    def test_a_service_that_is_busy_for_a_moment_is_asked_again(self):
        SERVICENOW.fault("servicenow.list", "statusBefore", times=2, status=503, body="busy")
        record = client().GlideRecord("incident")
        record.limit = 1
        record.query()
        self.assertTrue(record.next())

    def test_a_time_out_in_the_middle_of_an_answer_is_told(self):
        SERVICENOW.admin("switches", {"truncatesListsOver": 50})
        try:
            with self.assertRaisesRegex(RequestException, "Maximum execution time exceeded"):
                client().GlideRecord("incident").query()
        finally:
            SERVICENOW.admin("switches", {"truncatesListsOver": None})

    def test_an_answer_that_breaks_off_is_no_answer(self):
        SERVICENOW.fault("servicenow.list", "truncateBody", times=1, bytes=500)
        with self.assertRaises(requests.exceptions.JSONDecodeError):
            client().GlideRecord("incident").query()


class SessionsThatEnd(unittest.TestCase):
    def setUp(self):
        SERVICENOW.admin(
            "client", {"clientId": "pysnc", "secret": "pysnc-secret", "applicationUser": INTEGRATION[0]}
        )
        SERVICENOW.admin(
            "property", {"name": "glide.oauth.inbound.client.credential.grant_type.enabled", "value": "true"}
        )

    def incidents(self, client):
        record = client.GlideRecord("incident")
        record.limit = 3
        record.query()
        return len(list(record))

    def test_the_password_grant_opens_a_session_and_its_refresh_token_renews_it(self):
        flow = ServiceNowPasswordGrantFlow(*INTEGRATION, "pysnc", "pysnc-secret")
        using = client(flow)
        self.assertEqual(self.incidents(using), 3)
        first = using.session.token["access_token"]
        # The client goes by the clock: what it takes for expired it renews before the call.
        using.session.token = {**using.session.token, "expires_at": time.time() - 1}
        using.session._client.populate_token_attributes(using.session.token)
        SERVICENOW.admin("expireTokens")
        # PySNC sends the call that found the session expired without the new token, and only then uses it.
        with self.assertRaises(AuthenticationException):
            self.incidents(using)
        self.assertNotEqual(using.session.token["access_token"], first)
        self.assertEqual(self.incidents(using), 3)

    def test_a_session_that_the_instance_ends_is_an_authentication_error(self):
        using = client(ServiceNowPasswordGrantFlow(*INTEGRATION, "pysnc", "pysnc-secret"))
        self.assertEqual(self.incidents(using), 3)
        SERVICENOW.admin("revokeTokens")
        with self.assertRaises(AuthenticationException):
            self.incidents(using)

    def test_a_wrong_password_opens_no_session(self):
        with self.assertRaisesRegex(Exception, "access_denied|invalid_grant|server_error"):
            client(ServiceNowPasswordGrantFlow(INTEGRATION[0], "wrong", "pysnc", "pysnc-secret"))

    def test_client_credentials_open_a_session_of_the_applications_user(self):
        flow = ServiceNowClientCredentialsFlow("pysnc", "pysnc-secret")
        using = client(flow)
        made = insert(using, short_description="by an application")
        self.assertEqual(made.get_value("sys_created_by"), INTEGRATION[0])
        SERVICENOW.admin("revokeTokens")
        with self.assertRaises(AuthenticationException):
            self.incidents(using)
        with self.assertRaisesRegex(AuthenticationException, "401"):
            client(ServiceNowClientCredentialsFlow("pysnc", "wrong"))


class Asynchronous(unittest.TestCase):
    def test_the_asynchronous_client_reads_and_writes_as_well(self):
        async def go():
            using = AsyncServiceNowClient(SERVICENOW.https, ADMIN, verify=CA)
            record = await using.GlideRecord("problem")
            record.initialize()
            record.short_description = "asynchronous"
            sys_id = await record.insert()
            record = await using.GlideRecord("problem")
            found = await record.get(str(sys_id))
            self.assertTrue(found)
            record.short_description = "changed"
            await record.update()
            record = await using.GlideRecord("incident", batch_size=70)
            await record.query()
            rows = 0
            async for _ in record:
                rows += 1
            self.assertEqual(rows, len(record))
            await using.session.aclose()

        asyncio.run(go())
