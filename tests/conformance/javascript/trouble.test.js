'use strict';
// jsforce: what it makes of refusals, and of sessions that end.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const jsforce = require('jsforce');
const { CLIENT_ID, CLIENT_SECRET, HTTP, PASSWORD, USER, VERSION, admin, calls } = require('./simulators.js');

const oauth2 = { loginUrl: HTTP, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };

let org;
before(async () => {
  org = new jsforce.Connection({ loginUrl: HTTP, oauth2, version: VERSION });
  await org.authorize({ grant_type: 'client_credentials' });
});
after(async () => {
  await admin('clear-rules');
  await admin('faults', null, 'DELETE');
});

test('each mistake has its code', async () => {
  const create = (fields) => org.sobject('Case').create(fields);
  const mistakes = [
    ['INVALID_FIELD', () => create({ Nonsense__c: 'x' })],
    ['INVALID_FIELD', () => org.query('SELECT Nonsense__c FROM Case')],
    ['INVALID_TYPE', () => org.query('SELECT Id FROM Nonsense__c')],
    ['MALFORMED_QUERY', () => org.query('SELECT Id FROM Case WHERE')],
    ['STRING_TOO_LONG', () => create({ Subject: 'x'.repeat(256) })],
    ['REQUIRED_FIELD_MISSING', () => org.sobject('Contact').create({ FirstName: 'No last name' })],
    ['NOT_FOUND', () => org.sobject('Case').retrieve('500000000000000AAA')],
  ];
  for (const [code, call] of mistakes) await assert.rejects(call, { errorCode: code }, code);
});

test('a duplicate names the record that is there', async () => {
  const made = await org.sobject('Case').create({ ServiceNow_Sys_Id__c: 'incident:js-once' });
  await assert.rejects(org.sobject('Case').create({ ServiceNow_Sys_Id__c: 'incident:js-once' }), (error) => {
    assert.equal(error.errorCode, 'DUPLICATE_VALUE');
    assert.ok(error.message.includes(made.id.slice(0, 15)));
    return true;
  });
});

test('a validation rule gives its own words', async () => {
  await admin('validation-rules', {
    object: 'Case',
    when: "Subject = 'forbidden'",
    message: 'Not that one.',
  });
  await assert.rejects(org.sobject('Case').create({ Subject: 'forbidden' }), {
    errorCode: 'FIELD_CUSTOM_VALIDATION_EXCEPTION',
    message: 'Not that one.',
  });
});

test('an object without the right to create is refused', async () => {
  const rights = { read: true, create: false, update: true, delete: true };
  await admin('access', { user: USER, object: 'Account', rights });
  await assert.rejects(org.sobject('Account').create({ Name: 'no' }), (error) => {
    assert.match(error.errorCode, /INSUFFICIENT_ACCESS|CANNOT_INSERT|NOT_FOUND/);
    return true;
  });
  await admin('access', { user: USER, object: 'Account', rights: { ...rights, create: true } });
});

test('an HTML page in place of an answer is an error', async () => {
  await admin('fault', {
    calls: 'salesforce.query',
    times: 1,
    effect: 'statusBefore',
    status: 400,
    body: '<html>Oops</html>',
    headers: [['content-type', 'text/html']],
  });
  await assert.rejects(org.query('SELECT Id FROM Case LIMIT 1'), { errorCode: 'ERROR_HTTP_400' });
});

test('a session that ended is renewed by the refresh function, once', async () => {
  let renewed = 0;
  const connection = new jsforce.Connection({
    instanceUrl: HTTP,
    accessToken: org.accessToken,
    version: VERSION,
    refreshFn: async (_connection, done) => {
      renewed += 1;
      const fresh = new jsforce.Connection({ loginUrl: HTTP, oauth2, version: VERSION });
      await fresh.authorize({ grant_type: 'client_credentials' });
      done(null, fresh.accessToken);
    },
  });
  await connection.query('SELECT Id FROM Case LIMIT 1');
  await admin('revoke-sessions');
  const page = await connection.query('SELECT Id FROM Case LIMIT 1');
  assert.deepEqual([page.records.length, renewed], [1, 1]);
  const helpless = new jsforce.Connection({
    instanceUrl: HTTP,
    accessToken: org.accessToken,
    version: VERSION,
  });
  await assert.rejects(helpless.query('SELECT Id FROM Case LIMIT 1'), { errorCode: 'INVALID_SESSION_ID' });
  await org.authorize({ grant_type: 'client_credentials' });
});

test('a refresh token renews a session without a function', async () => {
  const { refreshToken } = await admin('consents', { clientId: CLIENT_ID, user: USER });
  const connection = new jsforce.Connection({
    oauth2,
    instanceUrl: HTTP,
    accessToken: 'long gone',
    refreshToken,
    version: VERSION,
  });
  const tokens = (await calls())['salesforce.token'];
  const rows = await Promise.all(
    [1, 2, 3].map((limit) => connection.query(`SELECT Id FROM Case LIMIT ${limit}`)),
  );
  assert.deepEqual(
    rows.map((page) => page.records.length),
    [1, 2, 3],
  );
  assert.equal((await calls())['salesforce.token'] - tokens, 1);
  assert.notEqual(connection.accessToken, 'long gone');
});

test('a password signs in and a wrong one does not', async () => {
  const connection = new jsforce.Connection({ oauth2, version: VERSION });
  const user = await connection.login(USER, PASSWORD);
  assert.equal(user.organizationId.length, 18);
  assert.equal((await connection.sobject('Case').find({}, 'Id').limit(1)).length, 1);
  await assert.rejects(new jsforce.Connection({ oauth2, version: VERSION }).login(USER, 'wrong'), {
    name: 'invalid_grant',
  });
  await connection.login(USER, PASSWORD);
  await connection.logout();
  assert.equal(connection.accessToken, null);
});

test('calls used are told with every answer', async () => {
  await org.query('SELECT Id FROM Case LIMIT 1');
  const { used, limit } = org.limitInfo.apiUsage;
  assert.ok(used > 0 && limit === 100_000);
  assert.equal((await org.limits()).DailyApiRequests.Max, limit);
});
