"""PySNC, ServiceNow's own client: records, queries, batches and attachments."""

import unittest

from pysnc import ServiceNowClient

from simulators import ADMIN, CA, SERVICENOW

ABORT = {
    "name": "Refuse bananas",
    "table": "incident",
    "when": "before",
    "on": "insertOrUpdate",
    "condition": "short_descriptionLIKEbanana",
    "action": "abort",
}


class Records(unittest.TestCase):
    def setUp(self):
        self.client = ServiceNowClient(SERVICENOW.https, ADMIN, verify=CA)

    def made(self, text, **fields):
        record = self.client.GlideRecord("incident")
        record.initialize()
        record.short_description = text
        for name, value in fields.items():
            record.set_value(name, value)
        self.assertIsNotNone(record.insert())
        return record

    def test_a_record_made_can_be_read_back_with_values_and_display_values(self):
        made = self.made("made by PySNC", impact="2", urgency="1")
        self.assertRegex(made.get_value("number"), r"^INC\d{7}$")
        read = self.client.GlideRecord("incident")
        self.assertTrue(read.get(made.get_value("sys_id")))
        self.assertEqual(read.short_description, "made by PySNC")
        self.assertEqual(read.get_value("impact"), "2")
        self.assertEqual(read.get_display_value("impact"), "2 - Medium")
        self.assertEqual(read.get_value("sys_created_by"), "admin")
        self.assertEqual(read.get_value("sys_mod_count"), "0")

    def test_a_client_may_choose_the_sys_id_of_what_it_makes(self):
        record = self.client.GlideRecord("incident")
        record.initialize()
        record.set_new_guid_value("c0ffee00c0ffee00c0ffee00c0ffee00")
        record.short_description = "own id"
        self.assertEqual(record.insert(), "c0ffee00c0ffee00c0ffee00c0ffee00")
        self.assertTrue(self.client.GlideRecord("incident").get("c0ffee00c0ffee00c0ffee00c0ffee00"))

    def test_a_reference_is_set_and_read_through_a_dot(self):
        caller = self.client.GlideRecord("sys_user")
        self.assertTrue(caller.get("user_name", "admin"))
        made = self.made("called in", caller_id=caller.get_value("sys_id"))
        read = self.client.GlideRecord("incident")
        read.fields = ["sys_id", "caller_id", "caller_id.user_name"]
        self.assertTrue(read.get(made.get_value("sys_id")))
        self.assertEqual(read.get_value("caller_id"), caller.get_value("sys_id"))
        self.assertEqual(read.caller_id.user_name, "admin")

    def test_an_update_changes_what_it_names_and_counts_up(self):
        made = self.made("before", description="stays")
        record = self.client.GlideRecord("incident")
        record.get(made.get_value("sys_id"))
        record.short_description = "after"
        self.assertTrue(record.changes())
        self.assertIsNotNone(record.update())
        read = self.client.GlideRecord("incident")
        read.get(made.get_value("sys_id"))
        self.assertEqual(
            (
                read.get_value("short_description"),
                read.get_value("description"),
                read.get_value("sys_mod_count"),
            ),
            ("after", "stays", "1"),
        )

    def test_a_deleted_record_is_gone(self):
        made = self.made("short-lived")
        record = self.client.GlideRecord("incident")
        record.get(made.get_value("sys_id"))
        self.assertTrue(record.delete())
        self.assertFalse(self.client.GlideRecord("incident").get(made.get_value("sys_id")))

    def test_unknown_fields_are_dropped_without_a_word(self):
        record = self.client.GlideRecord("incident")
        record.initialize()
        record.short_description = "with bunk"
        record.set_value("bunk_field", "bunk")
        self.assertIsNotNone(record.insert())
        read = self.client.GlideRecord("incident")
        read.get(record.get_value("sys_id"))
        self.assertNotIn("bunk_field", read)


class Queries(unittest.TestCase):
    def setUp(self):
        self.client = ServiceNowClient(SERVICENOW.https, ADMIN, verify=CA)

    def incidents(self, *conditions, **options):
        record = self.client.GlideRecord("incident", **options)
        for condition in conditions:
            record.add_query(*condition)
        record.query()
        return record

    def test_every_page_is_read_once(self):
        stored = {row["sys_id"] for row in SERVICENOW.records("incident")}
        before = SERVICENOW.calls()["servicenow.list"]
        record = self.incidents(batch_size=40)
        self.assertEqual(len(record), len(stored))
        read = [row.get_value("sys_id") for row in record]
        self.assertEqual((len(read), set(read)), (len(stored), stored))
        self.assertEqual(SERVICENOW.calls()["servicenow.list"] - before, -(-len(stored) // 40))

    def test_conditions_order_fields_and_limit(self):
        record = self.client.GlideRecord("incident")
        record.fields = "sys_id,short_description,category"
        record.add_query("category", "database").add_or_condition("category", "network")
        record.add_query("short_description", "CONTAINS", "e")
        record.order_by_desc("short_description")
        record.limit = 7
        record.query()
        rows = [row.serialize() for row in record]
        self.assertEqual(len(rows), 7)
        for row in rows:
            self.assertEqual(set(row), {"sys_id", "short_description", "category"})
            self.assertIn(row["category"], ("database", "network"))
        texts = [row["short_description"] for row in rows]
        self.assertEqual(texts, sorted(texts, reverse=True))

    def test_nothing_found_is_no_error(self):
        record = self.incidents(("short_description", "no such text anywhere"))
        self.assertEqual((len(record), record.next()), (0, False))

    def test_an_unknown_field_in_a_query_is_ignored(self):
        everything = len(self.incidents())
        self.assertEqual(len(self.incidents(("no_such_field", "value"))), everything)

    def test_null_and_time_conditions(self):
        record = self.client.GlideRecord("incident")
        record.add_null_query("assigned_to")
        record.add_query("sys_created_on", "<", "2024-07-22 00:00:00")
        record.query()
        rows = list(record)
        self.assertTrue(rows)


class Batches(unittest.TestCase):
    def setUp(self):
        self.client = ServiceNowClient(SERVICENOW.https, ADMIN, verify=CA)
        for number in range(12):
            record = self.client.GlideRecord("problem")
            record.initialize()
            record.short_description = f"{self.id()} {number}"
            record.insert()

    def tearDown(self):
        SERVICENOW.admin("removeRule", {"name": ABORT["name"]})

    def problems(self, text):
        record = self.client.GlideRecord("problem")
        record.add_query("short_description", "STARTSWITH", text)
        record.query()
        return record

    def test_many_records_are_updated_in_one_call(self):
        before = SERVICENOW.calls()
        record = self.problems(self.id())
        while record.next():
            record.description = "batched"
        self.assertTrue(record.update_multiple())
        after = SERVICENOW.calls()
        self.assertEqual(after["servicenow.batch"] - before.get("servicenow.batch", 0), 1)
        self.assertEqual({row.get_value("description") for row in self.problems(self.id())}, {"batched"})

    def test_a_batch_reports_what_a_business_rule_refused_and_keeps_the_rest(self):
        SERVICENOW.admin("rule", {**ABORT, "table": "problem", "condition": "descriptionLIKEbanana"})
        record = self.problems(self.id())
        number = 0
        while record.next():
            record.description = "banana" if number == 3 else "apple"
            number += 1
        self.assertFalse(record.update_multiple())
        stored = [row.get_value("description") for row in self.problems(self.id())]
        self.assertEqual((stored.count("apple"), stored.count("")), (11, 1))

    def test_many_records_are_deleted_in_one_call(self):
        record = self.problems(self.id())
        self.assertEqual(len(record), 12)
        self.assertTrue(record.delete_multiple())
        self.assertEqual(len(self.problems(self.id())), 0)


class Attachments(unittest.TestCase):
    def test_a_file_is_attached_listed_read_and_removed(self):
        client = ServiceNowClient(SERVICENOW.https, ADMIN, verify=CA)
        record = client.GlideRecord("problem")
        record.initialize()
        record.short_description = "with a file"
        record.insert()
        binary = bytes(range(256)) * 20
        for name, content, kind in (
            ("note.txt", "räum auf\n", "text/plain"),
            ("blob.bin", binary, "application/octet-stream"),
        ):
            location = record.add_attachment(name, content, content_type=kind)
            self.assertRegex(location, r"/api/now/(v1/)?attachment/[0-9a-f]{32}")
        attached = record.get_attachments()
        self.assertEqual(len(attached), 2)
        read = {}
        for one in attached:
            self.assertEqual(one.table_sys_id, record.get_value("sys_id"))
            read[str(one.file_name)] = one.read()
        self.assertEqual(read, {"note.txt": "räum auf\n".encode(), "blob.bin": binary})
        again = record.get_attachments()
        for one in again:
            one.delete()
        self.assertEqual(len(record.get_attachments()), 0)
