"""pysnow, a widely used client of the Table API: records, queries, errors over http; OAuth over TLS."""

import tempfile
import time
import unittest
from datetime import datetime
from pathlib import Path

import requests
from pysnow import Client, OAuthClient, QueryBuilder
from pysnow.exceptions import EmptyContent, MultipleResults, NoResults, TokenCreateError

from simulators import ADMIN, INTEGRATION, SERVICENOW

# OAuth's library takes no http.
HTTPS = SERVICENOW.https.removeprefix("https://")


def incidents(user=ADMIN):
    client = Client(host=SERVICENOW.host, user=user[0], password=user[1], use_ssl=False)
    return client.resource(api_path="/table/incident")


class Records(unittest.TestCase):
    def test_a_record_is_made_read_changed_and_deleted(self):
        table = incidents()
        made = table.create({"short_description": "made by pysnow", "impact": "1"}).one()
        self.assertRegex(made["number"], r"^INC\d{7}$")
        by_number = {"number": made["number"]}
        self.assertEqual(table.get(query=by_number).one()["short_description"], "made by pysnow")
        changed = table.update(query=by_number, payload={"short_description": "changed"}).one()
        self.assertEqual((changed["sys_id"], changed["short_description"]), (made["sys_id"], "changed"))
        self.assertEqual(changed["sys_mod_count"], "1")
        self.assertEqual(table.delete(query=by_number), {"status": "record deleted"})
        self.assertIsNone(table.get(query=by_number).one_or_none())

    def test_display_values_fields_and_plain_references_are_parameters(self):
        table = incidents()
        made = table.create({"short_description": "shown", "state": "2", "caller_id": "admin"}).one()
        table.parameters.display_value = True
        table.parameters.exclude_reference_link = True
        shown = table.get(
            query={"sys_id": made["sys_id"]}, fields=["state", "caller_id", "short_description"]
        ).one()
        self.assertEqual(set(shown), {"state", "caller_id", "short_description"})
        self.assertEqual(shown["state"], "In Progress")
        table.parameters.display_value = "all"
        shown = table.get(query={"sys_id": made["sys_id"]}).one()
        self.assertEqual(shown["state"], {"display_value": "In Progress", "value": "2"})


class Queries(unittest.TestCase):
    def test_pages_follow_each_other_and_the_whole_is_counted(self):
        table = incidents()
        total = len(SERVICENOW.records("incident"))
        read = []
        for offset in range(0, total, 80):
            page = table.get(query="ORDERBYsys_id", limit=80, offset=offset)
            read += [row["sys_id"] for row in page.all()]
            self.assertEqual(page.headers["X-Total-Count"], str(total))
            self.assertEqual('rel="next"' in page.headers.get("Link", ""), offset + 80 < total)
        self.assertEqual((len(read), len(set(read))), (total, total))
        self.assertEqual(read, sorted(read))

    def test_a_large_answer_can_be_read_as_a_stream(self):
        rows = incidents().get(query={}, stream=True)
        self.assertEqual(sum(1 for _ in rows.all()), len(SERVICENOW.records("incident")))

    def test_conditions_made_with_the_query_builder_are_understood(self):
        query = (
            QueryBuilder()
            .field("category")
            .equals(["database", "network"])
            .AND()
            .field("short_description")
            .contains("e")
            .NQ()
            .field("number")
            .starts_with("NOTHING")
        )
        rows = incidents().get(query=query, fields=["category", "short_description"]).all()
        self.assertTrue(rows)
        self.assertLessEqual({row["category"] for row in rows}, {"database", "network"})
        dated = (
            QueryBuilder()
            .field("sys_created_on")
            .less_than(datetime(2024, 7, 1))
            .AND()
            .field("sys_created_on")
            .order_descending()
        )
        made = [row["sys_created_on"] for row in incidents().get(query=dated).all()]
        self.assertEqual(made, sorted(made, reverse=True))

    def test_one_is_one(self):
        with self.assertRaises(NoResults):
            incidents().get(query={"number": "INC-none"}).one()
        with self.assertRaises(MultipleResults):
            incidents().get(query={"category": "database"}).one()


class Trouble(unittest.TestCase):
    def setUp(self):
        SERVICENOW.admin("client", {"clientId": "pysnow", "secret": "pysnow-secret"})

    def tearDown(self):
        SERVICENOW.clear_faults()

    def refused(self, status, call):
        with self.assertRaises(requests.exceptions.HTTPError) as raised:
            call()
        self.assertEqual(raised.exception.response.status_code, status)
        error = raised.exception.response.json()
        self.assertEqual((set(error), set(error["error"])), ({"error", "status"}, {"message", "detail"}))
        return error["error"]

    def test_errors_carry_a_message_and_a_detail(self):
        wrong = self.refused(401, lambda: incidents(("admin", "wrong")).get(query={}).all())
        self.assertEqual(wrong["message"], "User Not Authenticated")
        client = Client(host=SERVICENOW.host, user="admin", password="admin", use_ssl=False)
        nothing = client.resource(api_path="/table/no_such_table")
        self.assertEqual(
            self.refused(400, lambda: nothing.get(query={}).all())["message"], "Invalid table no_such_table"
        )
        made = incidents(INTEGRATION).create({"short_description": "to close"}).one()
        refused = self.refused(
            403,
            lambda: incidents(INTEGRATION)
            .update(query={"sys_id": made["sys_id"]}, payload={"state": "7"})
            .one(),
        )
        self.assertIn("Data Policy Exception", refused["detail"])

    def test_202_is_told_as_no_content(self):
        SERVICENOW.fault("servicenow.list", "accepted202", times=1)
        with self.assertRaises(EmptyContent):
            incidents().get(query={}).all()

    def test_oauth_sessions_are_opened_renewed_and_ended(self):
        client = OAuthClient(
            client_id="pysnow",
            client_secret="pysnow-secret",
            token_updater=lambda token: renewed.append(token),
            host=HTTPS,
        )
        renewed = []
        token = client.generate_token(*INTEGRATION)
        self.assertEqual((token["token_type"], token["scope"]), ("Bearer", ["useraccount"]))
        client.set_token(token)
        table = client.resource(api_path="/table/incident")
        made = table.create({"short_description": "by OAuth"}).one()
        self.assertEqual(made["sys_created_by"], INTEGRATION[0])
        # The client renews what it takes for expired before it calls.
        SERVICENOW.admin("expireTokens")
        client.set_token({**token, "expires_at": time.time() - 1})
        table = client.resource(api_path="/table/incident")
        self.assertTrue(table.get(query={}, limit=1).all())
        self.assertNotEqual(renewed[0]["access_token"], token["access_token"])
        SERVICENOW.admin("revokeTokens")
        client.set_token(
            {**token, "access_token": renewed[0]["access_token"], "expires_at": time.time() + 600}
        )
        table = client.resource(api_path="/table/incident")
        self.refused(401, lambda: table.get(query={}, limit=1).all())

    def test_a_wrong_password_opens_no_oauth_session(self):
        client = OAuthClient(client_id="pysnow", client_secret="pysnow-secret", host=HTTPS)
        with self.assertRaises(TokenCreateError) as raised:
            client.generate_token(INTEGRATION[0], "wrong")
        self.assertIn(raised.exception.args[1], ("access_denied", "invalid_grant"))


class Attachments(unittest.TestCase):
    def test_a_file_is_attached_and_listed(self):
        table = incidents()
        made = table.create({"short_description": "with a file"}).one()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "note.txt")
            path.write_text("attached by pysnow")
            # Its other way to upload, multipart=True, sends a multipart head without a boundary.
            uploaded = table.attachments.upload(sys_id=made["sys_id"], file_path=str(path))
        self.assertEqual(uploaded["file_name"], "note.txt")
        listed = table.attachments.get(sys_id=made["sys_id"])
        self.assertEqual([row["size_bytes"] for row in listed], ["18"])
