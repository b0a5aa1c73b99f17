"""aiosnow, an asynchronous client with typed fields: records and errors, over http."""

import asyncio
import unittest

import aiosnow
from aiosnow.exceptions import NoItems, RequestError

from simulators import ADMIN, SERVICENOW


class Incident(aiosnow.TableModel):
    sys_id = aiosnow.fields.String(is_primary=True)
    number = aiosnow.fields.String()
    short_description = aiosnow.fields.String()
    impact = aiosnow.fields.Integer()
    opened_at = aiosnow.fields.DateTime()
    made_sla = aiosnow.fields.Boolean()


def with_incidents(work, user=ADMIN):
    async def go():
        client = aiosnow.Client(SERVICENOW.host, basic_auth=user, use_ssl=False)
        async with Incident(client, table_name="incident") as table:
            return await work(table)

    return asyncio.run(go())


class Records(unittest.TestCase):
    def test_a_record_is_made_read_changed_and_deleted(self):
        async def work(table):
            made = await table.create({"short_description": "made by aiosnow", "impact": 2})
            number = made["number"]
            read = await table.get_one(Incident.number == number)
            self.assertEqual((read["short_description"], read["impact"]), ("made by aiosnow", 2))
            changed = await table.update(Incident.number == number, {"short_description": "changed"})
            self.assertEqual((changed["sys_id"], changed["short_description"]), (read["sys_id"], "changed"))
            await table.delete(Incident.number == number)
            with self.assertRaises(NoItems):
                await table.get_one(Incident.number == number)

        with_incidents(work)

    def test_pages_are_streamed(self):
        async def work(table):
            return [row["sys_id"] async for _, row in table.stream(limit=100_000, page_size=70)]

        read = with_incidents(work)
        stored = {row["sys_id"] for row in SERVICENOW.records("incident")}
        self.assertEqual((len(read), set(read)), (len(stored), stored))

    def test_errors_carry_message_and_detail(self):
        async def work(table):
            await table.get_one(Incident.number == "INC0000001")

        with self.assertRaises(RequestError) as raised:
            with_incidents(work, ("admin", "wrong"))
        self.assertIn("User Not Authenticated", str(raised.exception))
