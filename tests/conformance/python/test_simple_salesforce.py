"""simple-salesforce: records, queries, errors and sessions, over TLS (it takes no http)."""

import unittest
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceLogin, SFType, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from simulators import CLIENT_ID, CLIENT_SECRET, SALESFORCE, SALESFORCE_PASSWORD, SALESFORCE_USER

VERSION = "62.0"


class ToTheSimulator(HTTPAdapter):
    """The client builds the host to sign in at from a domain's name: whatever it is, the simulator stands for it."""

    def send(self, request, **options):
        asked, here = urlsplit(request.url), urlsplit(SALESFORCE.https)
        request.url = urlunsplit((here.scheme, here.netloc, asked.path, asked.query, ""))
        return super().send(request, **options)


def session():
    made = requests.Session()
    made.mount("https://", ToTheSimulator())
    return made


def signed_in():
    return Salesforce(
        consumer_key=CLIENT_ID,
        consumer_secret=CLIENT_SECRET,
        domain="acme.my",
        session=session(),
        version=VERSION,
    )


def errors_of(raised):
    return [(error["errorCode"], error["message"]) for error in raised.exception.content]


class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.org = signed_in()

    def test_a_record_is_made_read_changed_and_deleted(self):
        made = self.org.Case.create({"Subject": "made by simple-salesforce", "Origin": "Web"})
        self.assertEqual((made["success"], made["errors"], len(made["id"])), (True, [], 18))
        read = self.org.Case.get(made["id"])
        self.assertEqual(
            (read["Subject"], read["Origin"], read["Priority"]),
            ("made by simple-salesforce", "Web", "Medium"),
        )
        self.assertEqual(
            read["attributes"],
            {"type": "Case", "url": f"/services/data/v{VERSION}/sobjects/Case/{made['id']}"},
        )
        self.assertEqual(self.org.Case.update(made["id"], {"Subject": "changed", "Origin": None}), 204)
        read = self.org.Case.get(made["id"])
        self.assertEqual((read["Subject"], read["Origin"]), ("changed", None))
        self.assertEqual(self.org.Case.delete(made["id"]), 204)
        with self.assertRaises(SalesforceResourceNotFound) as raised:
            self.org.Case.get(made["id"])
        self.assertEqual(errors_of(raised)[0][0], "ENTITY_IS_DELETED")

    def test_an_external_id_makes_once_and_then_changes(self):
        path = "ServiceNow_Sys_Id__c/incident:conformance-1"
        self.assertEqual(self.org.Case.upsert(path, {"Subject": "first"}), 201)
        self.assertEqual(self.org.Case.upsert(path, {"Subject": "second"}), 200)
        read = self.org.Case.get_by_custom_id("ServiceNow_Sys_Id__c", "incident:conformance-1")
        self.assertEqual(read["Subject"], "second")

    def test_describes_name_fields_and_picklists(self):
        described = self.org.Case.describe()
        fields = {field["name"]: field for field in described["fields"]}
        self.assertEqual((described["keyPrefix"], fields["Subject"]["length"]), ("500", 255))
        self.assertIn("Web", [value["value"] for value in fields["Origin"]["picklistValues"]])
        self.assertTrue(fields["ServiceNow_Sys_Id__c"]["externalId"])
        self.assertIn("Case", [each["name"] for each in self.org.describe()["sobjects"]])

    def test_what_was_deleted_and_updated_in_a_window_is_told(self):
        now = datetime.now(timezone.utc)
        made = self.org.Case.create({"Subject": "comes and goes"})
        kept = self.org.Case.create({"Subject": "stays"})
        self.org.Case.delete(made["id"])
        window = (now - timedelta(hours=1), now + timedelta(hours=1))
        deleted = self.org.Case.deleted(*window)
        self.assertIn(made["id"], [row["id"] for row in deleted["deletedRecords"]])
        self.assertTrue({"earliestDateAvailable", "latestDateCovered"} <= set(deleted))
        updated = self.org.Case.updated(*window)
        self.assertIn(kept["id"], updated["ids"])
        self.assertIn("latestDateCovered", updated)


class Queries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.org = signed_in()
        SALESFORCE.admin(
            "seed", {"object": "Contact", "records": [{"LastName": f"Person {n:04}"} for n in range(2_300)]}
        )

    def test_query_all_follows_the_locators_to_the_end(self):
        page = self.org.query("SELECT Id, LastName FROM Contact ORDER BY LastName")
        self.assertEqual((page["done"], page["totalSize"], len(page["records"])), (False, 2_300, 2_000))
        more = self.org.query_more(page["nextRecordsUrl"], identifier_is_url=True)
        self.assertEqual((more["done"], len(more["records"])), (True, 300))
        everything = self.org.query_all("SELECT Id, LastName FROM Contact ORDER BY LastName")["records"]
        self.assertEqual([row["LastName"] for row in everything], [f"Person {n:04}" for n in range(2_300)])
        self.assertEqual(sum(1 for _ in self.org.query_all_iter("SELECT Id FROM Contact")), 2_300)

    def test_conditions_are_understood(self):
        query = format_soql(
            "SELECT Id, Subject, Owner.Name FROM Case WHERE Origin IN {} AND (NOT Priority = {}) AND CreatedDate < {} LIMIT 5",
            ["Web", "Phone"],
            "High",
            datetime(2024, 7, 22, tzinfo=timezone.utc),
        )
        rows = self.org.query(query)["records"]
        self.assertEqual(len(rows), 5)
        self.assertTrue(all(row["Owner"]["Name"] for row in rows))
        quoted = self.org.Case.create({"Subject": 'it\'s a "quote" with 100%'})
        found = self.org.query(
            format_soql("SELECT Id FROM Case WHERE Subject = {}", 'it\'s a "quote" with 100%')
        )
        self.assertEqual([row["Id"] for row in found["records"]], [quoted["id"]])
        count = self.org.query("SELECT COUNT() FROM Contact")
        self.assertEqual((count["totalSize"], count["records"]), (2_300, []))

    def test_deleted_rows_are_seen_when_asked_for(self):
        made = self.org.Contact.create({"LastName": "Gone"})
        self.org.Contact.delete(made["id"])
        query = "SELECT Id, IsDeleted FROM Contact WHERE LastName = 'Gone'"
        self.assertEqual(self.org.query(query)["totalSize"], 0)
        [row] = self.org.query(query, include_deleted=True)["records"]
        self.assertTrue(row["IsDeleted"])

    def test_a_cursor_that_the_org_dropped_is_an_error(self):
        page = self.org.query("SELECT Id FROM Contact")
        SALESFORCE.admin("drop-cursors")
        with self.assertRaises(SalesforceMalformedRequest) as raised:
            self.org.query_more(page["nextRecordsUrl"], identifier_is_url=True)
        self.assertEqual(errors_of(raised)[0][0], "INVALID_QUERY_LOCATOR")


class Errors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.org = signed_in()

    def tearDown(self):
        SALESFORCE.admin("clear-rules")
        SALESFORCE.clear_faults()

    def refused(self, call, kind=SalesforceMalformedRequest):
        with self.assertRaises(kind) as raised:
            call()
        return errors_of(raised)

    def test_each_mistake_has_its_code(self):
        create, query = self.org.Case.create, self.org.query
        for code, call in (
            ("INVALID_FIELD", lambda: create({"Nonsense__c": "x"})),
            ("INVALID_FIELD", lambda: query("SELECT Nonsense__c FROM Case")),
            ("INVALID_TYPE", lambda: query("SELECT Id FROM Nonsense__c")),
            ("MALFORMED_QUERY", lambda: query("SELECT Id FROM Case WHERE")),
            ("STRING_TOO_LONG", lambda: create({"Subject": "x" * 256})),
            ("REQUIRED_FIELD_MISSING", lambda: self.org.Contact.create({"FirstName": "No last name"})),
            ("INVALID_FIELD_FOR_INSERT_UPDATE", lambda: create({"CaseNumber": "1"})),
        ):
            with self.subTest(code):
                self.assertEqual(self.refused(call)[0][0], code)

    def test_what_is_not_there_is_not_found(self):
        gone = self.org.Case.create({"Subject": "gone"})["id"]
        self.org.Case.delete(gone)
        for call in (
            lambda: self.org.Case.get("500000000000000AAA"),
            lambda: self.org.Case.update(gone, {"Subject": "x"}),
            lambda: self.org.Case.delete(gone),
            lambda: self.org.Case.get_by_custom_id("ServiceNow_Sys_Id__c", "nobody"),
        ):
            self.refused(call, SalesforceResourceNotFound)

    def test_a_duplicate_names_the_record_that_is_there(self):
        made = self.org.Case.create({"ServiceNow_Sys_Id__c": "incident:only-once"})
        [(code, message)] = self.refused(
            lambda: self.org.Case.create({"ServiceNow_Sys_Id__c": "incident:only-once"})
        )
        self.assertEqual(code, "DUPLICATE_VALUE")
        self.assertIn(made["id"][:15], message)

    def test_a_validation_rule_gives_its_own_words(self):
        rule = {
            "object": "Case",
            "when": "Priority = 'High' AND Origin = null",
            "message": "Where does it come from?",
        }
        SALESFORCE.admin("validation-rules", rule)
        [error] = self.refused(lambda: self.org.Case.create({"Priority": "High", "Origin": None}))
        self.assertEqual(error, ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Where does it come from?"))

    def test_a_row_that_another_transaction_holds_is_locked(self):
        made = self.org.Case.create({"Subject": "contended"})
        SALESFORCE.admin("row-locks", {"id": made["id"], "times": 1})
        with self.assertRaises((SalesforceMalformedRequest, SalesforceGeneralError)) as raised:
            self.org.Case.update(made["id"], {"Subject": "x"})
        self.assertEqual(errors_of(raised)[0][0], "UNABLE_TO_LOCK_ROW")
        self.assertEqual(self.org.Case.update(made["id"], {"Subject": "x"}), 204)

    def test_two_records_with_one_external_id_are_more_than_one(self):
        field = {
            "name": "Key__c",
            "type": "string",
            "label": "Key",
            "length": 20,
            "externalId": True,
            "idLookup": True,
        }
        SALESFORCE.admin("fields", {"object": "Case", "field": field})
        urls = set()
        for _ in range(2):
            made = self.org.Case.create({"Key__c": "same"})
            urls.add(f"/services/data/v{VERSION}/sobjects/Case/{made['id']}")
        with self.assertRaises(SalesforceMoreThanOneRecord) as raised:
            self.org.Case.upsert("Key__c/same", {"Subject": "which?"})
        self.assertEqual(set(raised.exception.content), urls)

    def test_fields_and_objects_that_the_user_may_not_see_or_write(self):
        SALESFORCE.admin(
            "access", {"user": SALESFORCE_USER, "object": "Case", "field": "Reason", "access": "hidden"}
        )
        try:
            self.assertNotIn("Reason", [field["name"] for field in self.org.Case.describe()["fields"]])
            [(code, message)] = self.refused(lambda: self.org.query("SELECT Reason FROM Case"))
            self.assertEqual(code, "INVALID_FIELD")
            self.assertIn("No such column 'Reason' on entity 'Case'", message)
        finally:
            SALESFORCE.admin(
                "access", {"user": SALESFORCE_USER, "object": "Case", "field": "Reason", "access": "write"}
            )

    def test_a_day_without_calls_left_is_refused(self):
        settings = SALESFORCE.admin("settings", {"dailyRequests": 0})
        try:
            [(code, message)] = self.refused(
                lambda: self.org.query("SELECT Id FROM Case LIMIT 1"), SalesforceRefusedRequest
            )
            self.assertEqual((code, message), ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
        finally:
            SALESFORCE.admin("settings", {"dailyRequests": 100_000})
        self.assertEqual(settings["dailyRequests"], 0)


class Sessions(unittest.TestCase):
    def test_calls_used_are_told_with_every_answer(self):
        org = signed_in()
        org.query("SELECT Id FROM Case LIMIT 1")
        usage = org.api_usage["api-usage"]
        self.assertTrue(0 < usage.used <= usage.total)
        self.assertEqual(org.limits()["DailyApiRequests"]["Max"], usage.total)

    def test_a_session_that_ended_is_told_apart_from_other_refusals(self):
        org = signed_in()
        handed_over = Salesforce(instance_url=SALESFORCE.https, session_id=org.session_id, version=VERSION)
        handed_over.query("SELECT Id FROM Case LIMIT 1")
        SALESFORCE.admin("revoke-sessions")
        with self.assertRaises(SalesforceExpiredSession) as raised:
            handed_over.query("SELECT Id FROM Case LIMIT 1")
        self.assertEqual(errors_of(raised), [("INVALID_SESSION_ID", "Session expired or invalid")])

    def test_a_client_that_knows_the_credentials_signs_in_again(self):
        org = signed_in()
        first = org.session_id
        SALESFORCE.admin("revoke-sessions")
        self.assertEqual(len(org.query("SELECT Id FROM Case LIMIT 1")["records"]), 1)
        self.assertNotEqual(org.session_id, first)

    def test_a_password_signs_in_and_a_wrong_one_does_not(self):
        session_id, instance = SalesforceLogin(
            username=SALESFORCE_USER,
            password=SALESFORCE_PASSWORD,
            consumer_key=CLIENT_ID,
            consumer_secret=CLIENT_SECRET,
            session=session(),
        )
        self.assertEqual(f"https://{instance}", SALESFORCE.https)
        cases = SFType("Case", session_id, instance, sf_version=VERSION)
        self.assertTrue(cases.create({"Subject": "signed in by password"})["success"])
        with self.assertRaises(SalesforceAuthenticationFailed) as raised:
            SalesforceLogin(
                username=SALESFORCE_USER,
                password="wrong",
                consumer_key=CLIENT_ID,
                consumer_secret=CLIENT_SECRET,
                session=session(),
            )
        self.assertEqual(raised.exception.code, "invalid_grant")
        signed_in().query("SELECT Id FROM Case LIMIT 1")
