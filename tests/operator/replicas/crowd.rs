//! People who make and edit cases and incidents all the time, and remember what they wrote.
//!
//! A person edits what both sides show alike, or goes on with an edit of their own. So nobody writes over what they have
//! not seen, but for the conflicts that are made on purpose; and what an edit overwrites is never a matter of the moment
//! between a look and a write, of which nothing is promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use syncflow::core::side::Side;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::people::value;
use crate::world::{FLOW, World};

/// How often somebody does something.
const PACE: Duration = Duration::from_millis(250);
/// How many records people make.
const MOST: usize = 30;

/// One record made by hand, and the texts that people gave its subject, on either side.
#[derive(Clone, Debug)]
pub struct Story {
    /// Where it was made.
    pub origin: Side,
    pub id: String,
    pub edits: Vec<(Side, String)>,
    /// Both sides were edited on purpose, and one of them has to lose.
    pub conflict: bool,
}

/// Both records of a story, as they stand.
pub struct Pair {
    pub ids: BTreeMap<Side, String>,
    pub subjects: BTreeMap<Side, String>,
}

impl Pair {
    /// What both sides say, if they say the same.
    pub fn agreed(&self) -> Option<&str> {
        let subject = &self.subjects[&Side::Salesforce];
        (*subject == self.subjects[&Side::ServiceNow]).then_some(subject)
    }
}

/// Everybody.
pub struct Crowd {
    world: Arc<World>,
    stories: Arc<Mutex<Vec<Story>>>,
    at_work: watch::Sender<bool>,
    people: JoinHandle<()>,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.people.abort();
    }
}

impl Crowd {
    /// They begin.
    pub fn gather(world: &Arc<World>) -> Self {
        let stories = Arc::new(Mutex::default());
        let (at_work, working) = watch::channel(true);
        let people = tokio::spawn(live(Arc::clone(world), Arc::clone(&stories), working));
        Self {
            world: Arc::clone(world),
            stories,
            at_work,
            people,
        }
    }

    /// Everybody pauses.
    pub fn pause(&self) {
        self.at_work.send_replace(false);
    }

    /// Everybody goes on.
    pub fn go_on(&self) {
        self.at_work.send_replace(true);
    }

    pub fn stories(&self) -> Vec<Story> {
        self.stories.lock().unwrap().clone()
    }

    /// Is everything that was written so far on both sides?
    pub fn all_agreed(&self) -> bool {
        let mut stories = self.stories().into_iter();
        stories.all(|story| pair(&self.world, &story).is_some_and(|pair| pair.agreed().is_some()))
    }

    /// Edits one pair that agrees: on one side, or on both at once. Gives the pair's ids.
    pub fn edit_one(&self, sides: &[Side]) -> BTreeMap<Side, String> {
        let mut stories = self.stories.lock().unwrap();
        let calm = |story: &&mut Story| pair(&self.world, story).is_some_and(|pair| pair.agreed().is_some());
        let story = stories.iter_mut().filter(|story| !story.conflict).find(calm);
        let story = story.expect("a pair that agrees");
        story.conflict = sides.len() > 1;
        let ids = pair(&self.world, story).unwrap().ids;
        for side in sides {
            edit(&self.world, story, &ids, *side);
        }
        ids
    }
}

async fn live(world: Arc<World>, stories: Arc<Mutex<Vec<Story>>>, mut working: watch::Receiver<bool>) {
    for act in 0_usize.. {
        tokio::time::sleep(PACE).await;
        if working.wait_for(|working| *working).await.is_err() {
            return;
        }
        let mut all = stories.lock().unwrap();
        if act % 5 == 0 && all.len() < MOST {
            let origin = Side::BOTH[act / 5 % 2];
            let text = format!("{} made by hand in {origin}", all.len());
            let id = match origin {
                Side::Salesforce => world.make_case(&text),
                Side::ServiceNow => world.make_incident(&text),
            };
            all.push(Story {
                origin,
                id,
                edits: vec![(origin, text)],
                conflict: false,
            });
        } else {
            let number = act * 7 % all.len();
            let story = &mut all[number];
            if let Some(pair) = pair(&world, story) {
                let (last, _) = story.edits.last().unwrap();
                let side = if pair.agreed().is_some() {
                    Side::BOTH[act % 2]
                } else {
                    *last
                };
                // Of a conflict nobody knows who is last until both sides agree.
                if !story.conflict || pair.agreed().is_some() {
                    story.conflict = false;
                    edit(&world, story, &pair.ids, side);
                }
            }
        }
    }
}

fn edit(world: &World, story: &mut Story, ids: &BTreeMap<Side, String>, side: Side) {
    let text = format!("{} edit {} in {side}", story.id, story.edits.len());
    match side {
        Side::Salesforce => world.edit_case(&ids[&side], json!({"Subject": text})),
        Side::ServiceNow => world.edit_incident(&ids[&side], json!({"short_description": text})),
    }
    story.edits.push((side, text));
}

/// Both records of a story, if it has both.
pub fn pair(world: &World, story: &Story) -> Option<Pair> {
    let of = |records: Vec<syncflow_simulators::Fields>, key: &str| {
        records.into_iter().find(|record| value(record, key) == story.id)
    };
    let (case, incident) = match story.origin {
        Side::Salesforce => (of(world.cases(), "Id")?, world.counterpart_of_case(&story.id)?),
        Side::ServiceNow => (
            world.counterpart_of_incident(&story.id)?,
            of(world.incidents(), "sys_id")?,
        ),
    };
    Some(Pair {
        ids: BTreeMap::from([
            (Side::Salesforce, value(&case, "Id").to_owned()),
            (Side::ServiceNow, value(&incident, "sys_id").to_owned()),
        ]),
        subjects: BTreeMap::from([
            (Side::Salesforce, value(&case, "Subject").to_owned()),
            (Side::ServiceNow, value(&incident, "short_description").to_owned()),
        ]),
    })
}

/// Somebody asks for a sync now, again and again: cycles are ten seconds apart otherwise.
pub async fn hurry(world: Arc<World>) {
    for number in 0.. {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let patch = json!({"metadata": {"annotations": {"syncflow.io/sync-now": format!("hurry-{number}")}}});
        let flows = world.api::<syncflow::api::SyncFlow>();
        let patch: kube::api::Patch<Value> = kube::api::Patch::Merge(patch);
        flows
            .patch(FLOW, &kube::api::PatchParams::default(), &patch)
            .await
            .unwrap();
    }
}
