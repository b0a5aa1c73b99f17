'use strict';
// Where the simulated org is, and its admin door: what a person or an administrator does there.

const base = process.env.SALESFORCE_HTTP;

// The quickstart's org.
exports.CLIENT_ID = '3MVG9syncflow';
exports.CLIENT_SECRET = 'connected-app-secret';
exports.USER = 'integration@acme.example';
exports.PASSWORD = 'integration-password';
exports.VERSION = '62.0';
exports.HTTP = base;
exports.HTTPS = process.env.SALESFORCE_HTTPS;

/** One call of the admin door; see the simulators' documentation for its vocabulary. */
async function admin(action, body, method = 'POST') {
  const options = { method, headers: { 'content-type': 'application/json' } };
  if (method === 'POST') options.body = JSON.stringify(body ?? {});
  const answer = await fetch(`${base}/admin/${action}`, options);
  const told = await answer.json();
  if (!answer.ok) throw new Error(`admin door, ${action}: ${told.error}`);
  return told;
}
exports.admin = admin;
exports.records = (object) => admin(`records/${object}`, null, 'GET');
exports.calls = async () => (await admin('calls', null, 'GET')).calls;
