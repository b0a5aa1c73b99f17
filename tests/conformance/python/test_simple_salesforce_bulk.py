"""simple-salesforce: Bulk API 2.0."""

import csv
import io
import tempfile
import unittest

from simulators import SALESFORCE
from test_simple_salesforce import signed_in


class Bulk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.org = signed_in()

    def job(self, results):
        [job] = results
        return job

    def test_many_records_are_inserted_and_each_is_accounted_for(self):
        records = [{"Subject": f'bulk {n}, "quoted"', "Origin": "Web"} for n in range(250)]
        records += [{"Subject": "x" * 300, "Origin": "Web"}]
        job = self.job(self.org.bulk2.Case.insert(records=records, wait=1))
        self.assertEqual(
            (job["numberRecordsProcessed"], job["numberRecordsFailed"], job["numberRecordsTotal"]),
            (251, 1, 251),
        )
        made = list(csv.DictReader(io.StringIO(self.org.bulk2.Case.get_successful_records(job["job_id"]))))
        self.assertEqual(len(made), 250)
        self.assertEqual({row["sf__Created"] for row in made}, {"true"})
        stored = {row["Id"]: row["Subject"] for row in SALESFORCE.records("Case")}
        self.assertTrue(all(stored[row["sf__Id"]] == row["Subject"] for row in made))
        [failed] = csv.DictReader(io.StringIO(self.org.bulk2.Case.get_failed_records(job["job_id"])))
        self.assertIn("STRING_TOO_LONG", failed["sf__Error"])
        self.assertEqual(self.org.bulk2.Case.get_unprocessed_records(job["job_id"]).strip().count("\n"), 0)

    def test_upserts_updates_and_deletes(self):
        bulk = self.org.bulk2.Case
        keyed = [{"ServiceNow_Sys_Id__c": f"incident:bulk-{n}", "Subject": "first"} for n in range(3)]
        self.assertEqual(
            self.job(bulk.upsert(records=keyed, external_id_field="ServiceNow_Sys_Id__c", wait=1))[
                "numberRecordsFailed"
            ],
            0,
        )
        found = self.org.query("SELECT Id FROM Case WHERE ServiceNow_Sys_Id__c LIKE 'incident:bulk-%'")[
            "records"
        ]
        self.assertEqual(len(found), 3)
        ids = [row["Id"] for row in found]
        changes = [{"Id": each, "Subject": "second", "Origin": "#N/A"} for each in ids]
        self.assertEqual(self.job(bulk.update(records=changes, wait=1))["numberRecordsFailed"], 0)
        stored = {row["Id"]: row for row in SALESFORCE.records("Case")}
        self.assertEqual(
            {(stored[each]["Subject"], stored[each].get("Origin")) for each in ids}, {("second", None)}
        )
        self.assertEqual(
            self.job(bulk.delete(records=[{"Id": each} for each in ids], wait=1))["numberRecordsFailed"], 0
        )
        self.assertFalse(set(ids) & {row["Id"] for row in SALESFORCE.records("Case")})

    def test_a_query_is_read_in_pages(self):
        for n in range(3):
            self.org.Account.create({"Name": f"Bulk, Account {n}"})
        pages = list(
            self.org.bulk2.Account.query("SELECT Id, Name FROM Account ORDER BY Name", max_records=2)
        )
        rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
        self.assertTrue(len(pages) > 1)
        self.assertEqual([row["Name"] for row in rows], [f"Bulk, Account {n}" for n in range(3)])

    def test_a_query_that_cannot_run_is_refused(self):
        with self.assertRaises(Exception) as raised:
            list(self.org.bulk2.Account.query("SELECT Nonsense__c FROM Account"))
        self.assertIn("INVALIDFIELD", str(raised.exception).upper().replace("_", ""))

    def test_results_can_be_downloaded_to_files(self):
        with tempfile.TemporaryDirectory() as folder:
            self.org.Account.create({"Name": "Downloaded"})
            downloads = self.org.bulk2.Account.download(
                "SELECT Name FROM Account WHERE Name = 'Downloaded'", path=folder
            )
            self.assertEqual(sum(each["number_of_records"] for each in downloads), 1)
