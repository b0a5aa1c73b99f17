"""Answers of real orgs, as CumulusCI's tests recorded them, against ours to the same requests.

The same status, the same keys, the same JSON types, the same error codes. Each cassette is played to the simulated org
from its beginning; ids of records that a cassette made are replaced by ours.
"""

import collections
import json
import unittest
import urllib.error
import urllib.parse
import urllib.request

import cassettes
from simulators import CLIENT_ID, CLIENT_SECRET, SALESFORCE

# What may be missing from ours, and why: (kind, path in the answer) → reason. None may stand here without need.
SCREENS = "the address of something for screens, which the simulated org does not have"
LATER = "some of the recordings are of a later API version than the one we answer them in"
OF_SCREENS = (
    *("approvalLayouts", "compactLayouts", "layouts", "listviews", "quickActions"),
    *("caseArticleSuggestions", "caseRowArticleSuggestions"),
)
OF_SCREENS_OF_ONE = ("defaultValues", "uiDetailTemplate", "uiEditTemplate", "uiNewRecord")
OF_SCREENS_OF_ALL = (
    *("eventSchema", "namedLayouts", "passwordUtilities", "workOrderArticleSuggestions"),
    *(
        "workOrderLineItemArticleSuggestions",
        "workOrderLineItemRowArticleSuggestions",
        "workOrderRowArticleSuggestions",
    ),
)
ALLOWED = {
    ("describe", ".recordTypeInfos[].urls"): SCREENS,
    **{("describe", f".urls.{name}"): SCREENS for name in OF_SCREENS + OF_SCREENS_OF_ONE},
    **{("describe", f".sobjects[].urls.{name}"): SCREENS for name in OF_SCREENS + OF_SCREENS_OF_ALL},
    **{
        ("describe", f".{name}"): LATER
        for name in ("associateEntityType", "associateParentEntity", "sobjectDescribeOption")
    },
    **{
        ("describe", f".sobjects[].{name}"): LATER
        for name in ("associateEntityType", "associateParentEntity")
    },
}

# What a recorded request may be about that no simulated org has.
ABSENT = (
    "Opportunities",
    "Organization",
    "Event",
    "Campaign",
    "Custom__c",
    "PersonAccount",
    "RecordType",
    "OpportunityContactRole",
)

# How many recorded interactions of each kind must have been compared: recordings that vanish are no success.
AT_LEAST = {"describe": 8, "query": 15, "collections": 10, "composite": 3, "limits": 8, "records": 1}


class Org:
    """The simulated org as the recorded client would have called it."""

    def __init__(self):
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        request = urllib.request.Request(
            f"{SALESFORCE.http}/services/oauth2/token", data=urllib.parse.urlencode(form).encode()
        )
        self.token = json.load(urllib.request.urlopen(request))["access_token"]
        self.ours = {}

    def play(self, interaction):
        """Our status and answer to a recorded request."""
        path, query, body = (
            self.translated(part) for part in (interaction.path, interaction.query, interaction.body)
        )
        url = f"{SALESFORCE.http}{path}" + (f"?{query}" if query else "")
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        request = urllib.request.Request(
            url, data=body.encode() or None, headers=headers, method=interaction.method
        )
        try:
            with urllib.request.urlopen(request) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        answer = json.loads(text) if text else None
        self.learn(interaction.answer, answer)
        return status, answer

    def translated(self, text):
        return cassettes.ID.sub(lambda found: self.ours.get(found[0], found[0]), text)

    def strangers(self, interaction):
        """Ids that a request names and that no answer so far has told."""
        asked = cassettes.ID.findall(
            f"{interaction.path} {urllib.parse.unquote_plus(interaction.query)} {interaction.body}"
        )
        return [
            each
            for each in asked
            if each not in self.ours and each[:3] in ("001", "003", "006", "500", "00D")
        ]

    def learn(self, theirs, ours):
        """Which of our ids stand where theirs do."""
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for key in theirs.keys() & ours.keys():
                self.learn(theirs[key], ours[key])
        elif isinstance(theirs, list) and isinstance(ours, list):
            for each, other in zip(theirs, ours):
                self.learn(each, other)
        elif isinstance(theirs, str) and isinstance(ours, str) and cassettes.ID.fullmatch(theirs):
            self.ours.setdefault(theirs, ours)


class Recorded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name in ("Account", "Contact"):
            field = "Name" if name == "Account" else "LastName"
            SALESFORCE.admin(
                "seed", {"object": name, "records": [{field: f"Recorded {n}"} for n in range(5)]}
            )
        described = urllib.request.Request(
            f"{SALESFORCE.http}/services/data/v{cassettes.VERSION}/sobjects",
            headers={"authorization": f"Bearer {Org().token}"},
        )
        cls.objects = {each["name"] for each in json.load(urllib.request.urlopen(described))["sobjects"]}
        cls.problems, cls.compared = collections.defaultdict(list), collections.Counter()
        cls.used, cls.skipped = set(), collections.Counter()
        org, playing = None, None
        for interaction in cassettes.interactions():
            if interaction.cassette != playing:
                org, playing = Org(), interaction.cassette
            cls.compare(org, interaction)

    @classmethod
    def compare(cls, org, interaction):
        kind = interaction.kind
        if kind is None or cls.foreign(interaction) or org.strangers(interaction):
            cls.skipped[kind] += 1
            return
        status, answer = org.play(interaction)
        cls.compared[kind] += 1
        told = cls.problems[kind]
        if status != interaction.status:
            told.append(
                f"{interaction}\n    status {status}, not {interaction.status}: {json.dumps(answer)[:300]}"
            )
            return
        theirs, ours = cassettes.error_codes(interaction.answer), cassettes.error_codes(answer)
        if theirs != ours:
            told.append(f"{interaction}\n    error codes {ours}, not {theirs}")
        for path, matter in cls.differences(kind, interaction.answer, answer):
            if (kind, path) in ALLOWED:
                cls.used.add((kind, path))
            else:
                told.append(f"{interaction}\n    {path} {matter}")

    @classmethod
    def foreign(cls, interaction):
        """Whether it is about an object that the simulated org does not have; asking for one that nobody has is not."""
        asked = urllib.parse.unquote_plus(f"{interaction.path} {interaction.query} {interaction.body}")
        lacking = [name for name in (*ABSENT, "Opportunity", "Lead") if name not in cls.objects]
        return any(name in asked for name in lacking) and interaction.status < 400

    @staticmethod
    def differences(kind, theirs, ours):
        if kind == "describe" and "fields" in theirs:
            # Field by field: a picklist has keys that a number has not.
            recorded = {field["name"]: field for field in theirs.pop("fields")}
            for field in ours.pop("fields"):
                if field["name"] in recorded:
                    pair = cassettes.shape(recorded[field["name"]]), cassettes.shape(field)
                    yield from cassettes.differences(*pair, ".fields[]")
                    for key in ("type", "soapType"):
                        if recorded[field["name"]][key] != field[key]:
                            told = f"of {field['name']} is {field[key]}, not {recorded[field['name']][key]}"
                            yield f".fields[].{key}", told
        yield from cassettes.differences(cassettes.shape(theirs), cassettes.shape(ours))

    def agree(self, kind):
        self.assertGreaterEqual(self.compared[kind], AT_LEAST[kind], f"skipped: {dict(self.skipped)}")
        self.assertFalse(self.problems[kind], "\n" + "\n".join(sorted(set(self.problems[kind]))))

    def test_describes(self):
        self.agree("describe")

    def test_queries(self):
        self.agree("query")

    def test_records(self):
        self.agree("records")

    def test_collections(self):
        self.agree("collections")

    def test_composite(self):
        self.agree("composite")

    def test_record_counts(self):
        self.agree("limits")

    def test_every_exception_is_still_needed(self):
        self.assertEqual(set(ALLOWED) - self.used, set())
