//! Opens sessions: which adapter, over which transport, with which Secret.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;

use super::lease::LeaseSettings;
use super::metrics::{Metrics, UsageOf};
use super::secrets::{REFRESH_TAKES, SecretCredential};
use crate::adapters::http::allow_list::AllowList;
use crate::adapters::http::metered::Metered;
use crate::adapters::http::retry::{RetryPolicy, Retrying};
use crate::adapters::refused::RefusalRest;
use crate::adapters::salesforce::{Salesforce, SalesforceConfig};
use crate::adapters::service_now::{ServiceNow, ServiceNowConfig};
use crate::adapters::shared_reads::SharedReads;
use crate::adapters::turn::Turns;
use crate::controllers::connection::validate::Target;
use crate::controllers::context::{ConnectionKey, Dialer};
use crate::core::failure::Problem;
use crate::core::side::Side;
use crate::ports::{Clock, Entropy, Fence, Remote, Transport};

/// Opens sessions over one HTTP stack.
pub struct SessionDialer {
    /// The API server, for Secrets.
    pub client: Client,
    /// Which hosts may be called; the transport asks again for every request.
    pub allow_list: AllowList,
    /// The one transport.
    pub transport: Arc<dyn Transport>,
    /// Our clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The right to refresh tokens.
    pub fence: Arc<dyn Fence>,
    /// How long a refused credential rests.
    pub refusal_rest: RefusalRest,
    /// How long a write may take.
    pub write_timeout: Duration,
    /// For how long this process certainly leads while all goes well.
    pub lease_floor: Duration,
    /// Whose turn it is to sign in.
    pub turns: TurnsByConnection,
}

/// The turns of each Connection's sign-ins, by its UID. They outlive its sessions, since one may hold a refresh token that
/// could not be kept yet.
#[derive(Default)]
pub struct TurnsByConnection(Mutex<BTreeMap<String, Turns>>);

impl TurnsByConnection {
    fn of(&self, uid: &str) -> Turns {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(uid.to_owned()).or_default())
    }
}

impl Dialer for SessionDialer {
    fn dial(&self, connection: &ConnectionKey, target: &Target) -> Result<Arc<dyn Remote>, Problem> {
        self.allow_list
            .check(&target.url)
            .map_err(|refused| Problem::human("HostNotAllowed", refused.to_string()))?;
        if target.method.refreshes() && self.lease_floor < REFRESH_TAKES {
            return Err(Problem::human(
                "LeaseTooShort",
                format!(
                    "refresh tokens need {} s of the operator's Lease, and its --lease-duration leaves {} s; set it to \
                     {}s or more, or sign in another way",
                    REFRESH_TAKES.as_secs(),
                    self.lease_floor.as_secs(),
                    LeaseSettings::least_seconds(REFRESH_TAKES),
                ),
            ));
        }
        let side = target.method.side();
        let metered = Metered::new(
            Arc::clone(&self.transport),
            side,
            Arc::clone(&self.clock),
            Arc::clone(&self.metrics) as _,
        );
        let transport: Arc<dyn Transport> = Arc::new(Retrying::new(
            Arc::new(metered),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
            RetryPolicy::default(),
        ));
        let clock = Arc::clone(&self.clock);
        let credential = Arc::new(SecretCredential::new(
            self.client.clone(),
            connection,
            target.clone(),
            Arc::clone(&self.fence),
        ));
        let turns = self.turns.of(&connection.uid);
        let url = target.url.clone();
        let session: Arc<dyn Remote> = match side {
            Side::Salesforce => {
                let usage = UsageOf::new(Arc::clone(&self.metrics), &url);
                let config = SalesforceConfig {
                    api_share: target.api_share,
                    refusal_rest: self.refusal_rest,
                    turns,
                    write_timeout: self.write_timeout,
                    ..SalesforceConfig::new(url, credential)
                };
                let salesforce = Salesforce::new(config, transport, Arc::clone(&clock));
                Arc::new(salesforce.with_usage_observer(Arc::new(usage)))
            }
            Side::ServiceNow => {
                let config = ServiceNowConfig { instance_url: url };
                let service_now = ServiceNow::new(config, credential, transport, Arc::clone(&clock));
                Arc::new(
                    service_now
                        .with_sign_in_manners(self.refusal_rest, turns)
                        .with_write_timeout(self.write_timeout),
                )
            }
        };
        Ok(Arc::new(SharedReads::new(session, clock)))
    }
}
