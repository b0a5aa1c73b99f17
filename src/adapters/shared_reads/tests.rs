use std::sync::Mutex as Guarded;

use super::*;
use crate::adapters::http::failure::misconfigured;
use crate::adapters::http::scripted::TestClock;
use crate::core::record::Version;
use crate::core::side::Side;

const MAX_AGE: Duration = Duration::from_secs(15);

/// A service with rows at the seconds 100, 110 and 120, which notes what it was asked for.
#[derive(Default)]
struct Service {
    asked: Guarded<Vec<Vec<String>>>,
    refuses: Option<FieldName>,
}

fn field(name: &str) -> FieldName {
    name.parse().unwrap()
}

fn row(seconds: i64) -> Record {
    let at = Instant::from_seconds(seconds);
    Record {
        id: RecordId::parse(Side::ServiceNow, &format!("{seconds:032x}")).unwrap(),
        version: Version {
            modified: at,
            mod_count: 0,
        },
        changed_at: at,
        created_at: at,
        fields: BTreeMap::new(),
    }
}

#[async_trait]
impl Remote for Service {
    async fn identity(&self) -> Result<Identity, RemoteError> {
        Err(misconfigured("NotAsked", "not in this test"))
    }

    async fn describe(&self, _: &ObjectName) -> Result<ObjectSchema, RemoteError> {
        Err(misconfigured("NotAsked", "not in this test"))
    }

    async fn read_changes(&self, query: &ChangeQuery) -> Result<ChangePage, RemoteError> {
        self.asked
            .lock()
            .unwrap()
            .push(query.fields.iter().map(ToString::to_string).collect());
        if self
            .refuses
            .as_ref()
            .is_some_and(|field| query.fields.contains(field))
        {
            return Err(misconfigured("UnknownField", "a field is gone"));
        }
        let from = query.after.as_ref().map_or(Instant::EPOCH, |(from, _)| *from);
        Ok(ChangePage {
            records: [100, 110, 120]
                .map(row)
                .into_iter()
                .filter(|row| row.version.modified >= from)
                .collect(),
            complete: true,
            server_time: Instant::from_seconds(500),
            hidden_rows: 0,
            age: Duration::ZERO,
        })
    }

    async fn read_ids(
        &self,
        _: &ObjectSchema,
        _: &[RecordId],
        _: &[FieldName],
    ) -> Result<BTreeMap<RecordId, Observation>, RemoteError> {
        Ok(BTreeMap::new())
    }

    async fn find(
        &self,
        _: &ObjectSchema,
        _: &FieldName,
        _: &[Value],
        _: &[FieldName],
    ) -> Result<Vec<Record>, RemoteError> {
        Ok(Vec::new())
    }

    async fn create(&self, _: &ObjectSchema, _: &[CreateItem]) -> Result<Vec<WriteOutcome>, RemoteError> {
        Ok(Vec::new())
    }

    async fn update(&self, _: &ObjectSchema, _: &[UpdateItem]) -> Result<Vec<WriteOutcome>, RemoteError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &ObjectSchema, _: &[RecordId]) -> Result<Vec<WriteOutcome>, RemoteError> {
        Ok(Vec::new())
    }

    async fn read_deletions(&self, _: &ObjectSchema, _: Instant) -> Result<Deletions, RemoteError> {
        Err(misconfigured("NotAsked", "not in this test"))
    }

    fn limits(&self) -> RemoteLimits {
        crate::adapters::service_now::LIMITS
    }
}

struct Scene {
    service: Arc<Service>,
    clock: Arc<TestClock>,
    shared: SharedReads,
}

fn scene(service: Service) -> Scene {
    let service = Arc::new(service);
    let clock = Arc::new(TestClock::default());
    let shared = SharedReads::new(Arc::clone(&service) as _, Arc::clone(&clock) as _);
    Scene {
        service,
        clock,
        shared,
    }
}

impl Scene {
    async fn poll(&self, from: i64, fields: &[&str]) -> Result<Vec<i64>, RemoteError> {
        let query = ChangeQuery {
            schema: ObjectSchema {
                side: Side::ServiceNow,
                object: "incident".parse().unwrap(),
                createable: None,
                updateable: None,
                deletable: None,
                fields: BTreeMap::new(),
            },
            fields: fields.iter().map(|name| field(name)).collect(),
            after: Some((Instant::from_seconds(from), None)),
            created_from: None,
            limit: 10,
            max_age: MAX_AGE,
        };
        let page = self.shared.read_changes(&query).await?;
        Ok(page
            .records
            .iter()
            .map(|record| record.version.modified.seconds())
            .collect())
    }

    fn calls(&self) -> usize {
        self.service.asked.lock().unwrap().len()
    }
}

#[tokio::test]
async fn flows_that_poll_the_same_object_make_one_call() {
    let scene = scene(Service::default());
    scene.poll(100, &["a", "b"]).await.unwrap();
    scene.clock.advance(Duration::from_secs(5));
    assert_eq!(
        scene.poll(110, &["a"]).await.unwrap(),
        [110, 120],
        "each gets what it asked for"
    );
    assert_eq!(scene.calls(), 1);
}

#[tokio::test]
async fn an_answer_serves_only_who_does_not_mind_its_age() {
    let scene = scene(Service::default());
    scene.poll(100, &["a"]).await.unwrap();
    scene.clock.advance(MAX_AGE);
    scene.poll(100, &["a"]).await.unwrap();
    assert_eq!(scene.calls(), 2);
}

#[tokio::test]
async fn an_answer_that_begins_later_or_lacks_a_field_does_not_serve() {
    let scene = scene(Service::default());
    scene.poll(110, &["a"]).await.unwrap();
    assert_eq!(scene.poll(100, &["a"]).await.unwrap(), [100, 110, 120]);
    scene.poll(110, &["b"]).await.unwrap();
    assert_eq!(scene.calls(), 3);
    assert_eq!(
        scene.service.asked.lock().unwrap()[2],
        ["a", "b"],
        "from then on both are read together"
    );
}

#[tokio::test]
async fn a_field_that_troubles_one_flow_does_not_trouble_the_next() {
    let scene = scene(Service {
        refuses: Some(field("gone")),
        ..Service::default()
    });
    assert!(scene.poll(100, &["gone"]).await.is_err());
    assert_eq!(scene.poll(100, &["a"]).await.unwrap(), [100, 110, 120]);
}
