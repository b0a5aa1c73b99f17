'use strict';
// jsforce: Bulk API 2.0.

const assert = require('node:assert/strict');
const { before, test } = require('node:test');
const jsforce = require('jsforce');
const { CLIENT_ID, CLIENT_SECRET, HTTP, VERSION, records } = require('./simulators.js');

let org;
before(async () => {
  const oauth2 = { loginUrl: HTTP, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  org = new jsforce.Connection({ loginUrl: HTTP, oauth2, version: VERSION });
  await org.authorize({ grant_type: 'client_credentials' });
  org.bulk2.pollInterval = 50;
  org.bulk2.pollTimeout = 30_000;
});

test('many records are inserted in one job, and each is accounted for', async () => {
  const input = Array.from({ length: 300 }, (_, n) => ({
    LastName: `Bulk, "${n}"`,
    FirstName: n % 2 ? '' : 'Even',
  }));
  input.push({ FirstName: 'No last name', LastName: '' });
  const results = await org.bulk2.loadAndWaitForResults({ object: 'Contact', operation: 'insert', input });
  assert.deepEqual(
    [results.successfulResults.length, results.failedResults.length, results.unprocessedRecords.length],
    [300, 1, 0],
  );
  assert.match(results.failedResults[0].sf__Error, /^REQUIRED_FIELD_MISSING:/);
  const stored = new Map((await records('Contact')).map((each) => [each.Id, each]));
  for (const row of results.successfulResults) {
    assert.equal(row.sf__Created, 'true');
    assert.equal(stored.get(row.sf__Id).LastName, row.LastName);
  }
});

test('an upsert makes and changes by external id, and a delete deletes', async () => {
  const input = (Subject) => [1, 2].map((n) => ({ ServiceNow_Sys_Id__c: `incident:js-bulk-${n}`, Subject }));
  const upsert = { object: 'Case', operation: 'upsert', externalIdFieldName: 'ServiceNow_Sys_Id__c' };
  const first = await org.bulk2.loadAndWaitForResults({ ...upsert, input: input('first') });
  const second = await org.bulk2.loadAndWaitForResults({ ...upsert, input: input('second') });
  assert.deepEqual(
    first.successfulResults.map((row) => row.sf__Created),
    ['true', 'true'],
  );
  assert.deepEqual(
    second.successfulResults.map((row) => row.sf__Created),
    ['false', 'false'],
  );
  const ids = second.successfulResults.map((row) => ({ Id: row.sf__Id }));
  const gone = await org.bulk2.loadAndWaitForResults({ object: 'Case', operation: 'delete', input: ids });
  assert.equal(gone.successfulResults.length, 2);
});

test('a bulk query gives every row', async () => {
  await org.sobject('Account').create([{ Name: 'Bulk A' }, { Name: 'Bulk, "B"' }]);
  const stream = await org.bulk2.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Bulk%' ORDER BY Name");
  const rows = await stream.toArray();
  assert.deepEqual(
    rows.map((row) => row.Name),
    ['Bulk A', 'Bulk, "B"'],
  );
});

test('a job that is aborted does nothing', async () => {
  const job = org.bulk2.createJob({ object: 'Contact', operation: 'insert' });
  await job.open();
  await job.uploadData([{ LastName: 'Aborted' }]);
  await job.abort();
  assert.equal((await job.check()).state, 'Aborted');
  assert.equal((await records('Contact')).filter((each) => each.LastName === 'Aborted').length, 0);
});
