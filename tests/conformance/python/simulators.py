"""Where the simulators under test are, and their admin door: what a person or an administrator does there."""

import json
import os
import urllib.error
import urllib.request

CA = os.environ["REQUESTS_CA_BUNDLE"]


class Service:
    """One simulated service."""

    def __init__(self, name):
        self.http = os.environ[f"{name}_HTTP"]
        self.https = os.environ[f"{name}_HTTPS"]
        self.host = self.http.removeprefix("http://")

    def admin(self, action, body=None, method="POST"):
        """One call of the admin door; see the simulators' documentation for its vocabulary."""
        data = None if method in ("GET", "DELETE") else json.dumps({} if body is None else body).encode()
        request = urllib.request.Request(f"{self.http}/admin/{action}", data=data, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"admin door, {action}: {error.read().decode()}") from None

    def records(self, table):
        """Every live record, as stored."""
        return self.admin(f"records/{table}", method="GET")

    def calls(self):
        """How many calls were made, by kind."""
        return self.admin("calls", method="GET")["calls"]

    def fault(self, calls, effect, **more):
        """Switches a fault on for calls of that kind."""
        self.admin("fault", {"calls": calls, "effect": effect, **more})

    def clear_faults(self):
        """Switches every fault off."""
        self.admin("faults", method="DELETE")


SALESFORCE = Service("SALESFORCE")
SERVICENOW = Service("SERVICENOW")

# The quickstart's org and instance.
CLIENT_ID, CLIENT_SECRET = "3MVG9syncflow", "connected-app-secret"
SALESFORCE_USER, SALESFORCE_PASSWORD = "integration@acme.example", "integration-password"
ADMIN = ("admin", "admin")
INTEGRATION = ("syncflow.integration", "instance-password")
