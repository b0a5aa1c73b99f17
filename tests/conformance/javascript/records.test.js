'use strict';
// jsforce: records one by one and in collections, external ids, queries.

const assert = require('node:assert/strict');
const { before, test } = require('node:test');
const jsforce = require('jsforce');
const { CLIENT_ID, CLIENT_SECRET, HTTP, HTTPS, VERSION, admin, calls, records } = require('./simulators.js');

async function signedIn(loginUrl = HTTP) {
  const oauth2 = { loginUrl, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  const connection = new jsforce.Connection({
    loginUrl,
    oauth2,
    version: VERSION,
    callOptions: { client: 'conformance' },
  });
  await connection.authorize({ grant_type: 'client_credentials' });
  assert.equal(connection.instanceUrl, loginUrl);
  return connection;
}

let org;
before(async () => {
  org = await signedIn();
});

test('a record is made, read, changed and deleted', async () => {
  const made = await org.sobject('Case').create({ Subject: 'made by jsforce', Origin: 'Web' });
  assert.deepEqual({ ...made, id: made.id.length }, { id: 18, success: true, errors: [] });
  const read = await org.sobject('Case').retrieve(made.id);
  assert.equal(read.Subject, 'made by jsforce');
  assert.deepEqual(read.attributes, {
    type: 'Case',
    url: `/services/data/v${VERSION}/sobjects/Case/${made.id}`,
  });
  const changed = await org.sobject('Case').update({ Id: made.id, Subject: 'changed', Origin: null });
  assert.equal(changed.success, true);
  const again = await org.sobject('Case').retrieve(made.id);
  assert.deepEqual([again.Subject, again.Origin], ['changed', null]);
  assert.equal((await org.sobject('Case').destroy(made.id)).success, true);
  await assert.rejects(org.sobject('Case').retrieve(made.id), { errorCode: 'ENTITY_IS_DELETED' });
});

test('the same over TLS', async () => {
  const secured = await signedIn(HTTPS);
  const made = await secured.sobject('Case').create({ Subject: 'over TLS' });
  assert.equal((await secured.sobject('Case').retrieve(made.id)).Subject, 'over TLS');
});

test('an external id makes once and then changes', async () => {
  const record = { ServiceNow_Sys_Id__c: 'incident:jsforce', Subject: 'first' };
  const first = await org.sobject('Case').upsert(record, 'ServiceNow_Sys_Id__c');
  const second = await org.sobject('Case').upsert({ ...record, Subject: 'second' }, 'ServiceNow_Sys_Id__c');
  assert.deepEqual([first.success, first.created], [true, true]);
  assert.deepEqual([second.success, second.created, second.id], [true, false, first.id]);
});

test('an external id that two records have chooses none', async () => {
  const field = {
    name: 'Twice__c',
    type: 'string',
    label: 'Twice',
    length: 20,
    externalId: true,
    idLookup: true,
  };
  await admin('fields', { object: 'Case', field });
  for (let n = 0; n < 2; n += 1) await org.sobject('Case').create({ Twice__c: 'same' });
  await assert.rejects(
    org.sobject('Case').upsert({ Twice__c: 'same', Subject: 'which?' }, 'Twice__c'),
    (error) => {
      assert.equal(error.name, 'MULTIPLE_CHOICES');
      assert.equal(error.data.length, 2);
      assert.equal(typeof error.data[0], 'string');
      return true;
    },
  );
});

test('collections make, change, read and delete many in a call each, each item with its own result', async () => {
  const start = await calls();
  const made = await org
    .sobject('Case')
    .create([{ Subject: 'one' }, { Subject: 'x'.repeat(300) }, { Subject: 'three' }]);
  assert.deepEqual(
    made.map((each) => each.success),
    [true, false, true],
  );
  assert.equal(made[1].errors[0].statusCode ?? made[1].errors[0].errorCode, 'STRING_TOO_LONG');
  const ids = [made[0].id, made[2].id];
  const changed = await org.sobject('Case').update(ids.map((Id) => ({ Id, Origin: 'Phone' })));
  assert.deepEqual(
    changed.map((each) => [each.success, each.id]),
    ids.map((id) => [true, id]),
  );
  const read = await org.sobject('Case').retrieve([...ids, '500000000000000AAA']);
  assert.deepEqual(
    read.map((each) => each && each.Origin),
    ['Phone', 'Phone', null],
  );
  const gone = await org.sobject('Case').destroy(ids);
  assert.deepEqual(
    gone.map((each) => each.success),
    [true, true],
  );
  const end = await calls();
  for (const kind of ['create', 'update', 'delete']) {
    const counted = (which) => which[`salesforce.collections.${kind}`] ?? 0;
    assert.equal(counted(end) - counted(start), 1, kind);
  }
});

test('a collection with an external id makes some and changes others', async () => {
  const named = (n, Subject) => ({ ServiceNow_Sys_Id__c: `incident:many-${n}`, Subject });
  const first = await org.sobject('Case').upsert([named(1, 'a'), named(2, 'a')], 'ServiceNow_Sys_Id__c');
  assert.deepEqual(
    first.map((each) => each.created),
    [true, true],
  );
  const second = await org.sobject('Case').upsert([named(2, 'b'), named(3, 'b')], 'ServiceNow_Sys_Id__c');
  assert.deepEqual(
    second.map((each) => each.created),
    [false, true],
  );
  assert.equal(second[0].id, first[1].id);
});

test('all or none is none when one fails', async () => {
  const rows = [{ Subject: 'all or none' }, { Subject: 'x'.repeat(300) }];
  const results = await org.sobject('Case').create(rows, { allOrNone: true });
  assert.deepEqual(
    results.map((each) => each.success),
    [false, false],
  );
  const codes = results.map((each) => each.errors[0].statusCode ?? each.errors[0].errorCode);
  assert.deepEqual(codes, ['ALL_OR_NONE_OPERATION_ROLLED_BACK', 'STRING_TOO_LONG']);
  assert.equal((await records('Case')).filter((each) => each.Subject === 'all or none').length, 0);
});

test('more than a collection takes goes in several calls', async () => {
  const many = Array.from({ length: 450 }, (_, n) => ({ LastName: `Many ${n}` }));
  const start = (await calls())['salesforce.collections.create'];
  const made = await org.sobject('Contact').create(many, { allowRecursive: true });
  assert.equal(made.filter((each) => each.success).length, 450);
  assert.equal((await calls())['salesforce.collections.create'] - start, 3);
});

test('a query is followed to its end', async () => {
  await admin('seed', {
    object: 'Account',
    records: Array.from({ length: 2100 }, (_, n) => ({ Name: `Paged ${n}` })),
  });
  const page = await org.query("SELECT Id FROM Account WHERE Name LIKE 'Paged %'");
  assert.deepEqual([page.totalSize, page.done, page.records.length], [2100, false, 2000]);
  const rest = await org.queryMore(page.nextRecordsUrl);
  assert.deepEqual([rest.done, rest.records.length], [true, 100]);
  const all = await org.query("SELECT Id FROM Account WHERE Name LIKE 'Paged %'", {
    autoFetch: true,
    maxFetch: 5000,
  });
  assert.equal(new Set(all.records.map((each) => each.Id)).size, 2100);
});

test('conditions built by the client are understood', async () => {
  const rows = await org
    .sobject('Case')
    .find(
      {
        Origin: { $in: ['Web', 'Phone'] },
        Priority: { $ne: 'High' },
        CreatedDate: { $lt: jsforce.SfDate.toDateTimeLiteral(new Date('2024-07-22T00:00:00Z')) },
      },
      'Id, Origin, Owner.Name',
    )
    .sort({ CreatedDate: -1 })
    .limit(5);
  assert.equal(rows.length, 5);
  for (const row of rows) assert.ok(['Web', 'Phone'].includes(row.Origin) && row.Owner.Name);
  const count = await org.sobject('Case').count({ Origin: 'Web' });
  assert.ok(count > 0);
});

test('describes name fields, and the org its objects', async () => {
  const described = await org.sobject('Case').describe();
  assert.equal(described.keyPrefix, '500');
  assert.equal(described.fields.find((field) => field.name === 'Subject').length, 255);
  const global = await org.describeGlobal();
  assert.ok(global.sobjects.some((each) => each.name === 'Case'));
});

test('a window of time tells what was deleted and updated in it', async () => {
  const gone = await org.sobject('Case').create({ Subject: 'gone' });
  await org.sobject('Case').destroy(gone.id);
  const window = [
    new Date(Date.now() - 3_600_000).toISOString(),
    new Date(Date.now() + 3_600_000).toISOString(),
  ];
  const deleted = await org.sobject('Case').deleted(...window);
  assert.ok(deleted.deletedRecords.some((each) => each.id === gone.id));
  const updated = await org.sobject('Case').updated(...window);
  assert.ok(Array.isArray(updated.ids) && updated.latestDateCovered);
});

test('composite calls refer to each other', async () => {
  const request = {
    allOrNone: true,
    compositeRequest: [
      {
        method: 'POST',
        url: `/services/data/v${VERSION}/sobjects/Account`,
        referenceId: 'account',
        body: { Name: 'Composite' },
      },
      {
        method: 'POST',
        url: `/services/data/v${VERSION}/sobjects/Contact`,
        referenceId: 'contact',
        body: { LastName: 'Composite', AccountId: '@{account.id}' },
      },
    ],
  };
  const { compositeResponse } = await org.requestPost(`/services/data/v${VERSION}/composite`, request);
  assert.deepEqual(
    compositeResponse.map((each) => each.httpStatusCode),
    [201, 201],
  );
  const contact = await org.sobject('Contact').retrieve(compositeResponse[1].body.id);
  assert.equal(contact.AccountId, compositeResponse[0].body.id);
});
