//! Opens sessions: which adapter, over which transport, with which Secret.

use std::sync::Arc;

use kube::Client;

use super::metrics::{Metrics, UsageOf};
use super::secrets::SecretCredential;
use crate::adapters::http::allow_list::AllowList;
use crate::adapters::http::metered::Metered;
use crate::adapters::http::retry::{RetryPolicy, Retrying};
use crate::adapters::salesforce::{Salesforce, SalesforceConfig};
use crate::adapters::service_now::{ServiceNow, ServiceNowConfig};
use crate::adapters::shared_reads::SharedReads;
use crate::controllers::connection::validate::Target;
use crate::controllers::context::Dialer;
use crate::core::failure::Problem;
use crate::core::side::Side;
use crate::ports::{Clock, Entropy, Remote, Transport};

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
}

impl Dialer for SessionDialer {
    fn dial(&self, namespace: &str, target: &Target) -> Result<Arc<dyn Remote>, Problem> {
        self.allow_list
            .check(&target.url)
            .map_err(|refused| Problem::human("HostNotAllowed", refused.to_string()))?;
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
            namespace,
            target.clone(),
        ));
        let url = target.url.clone();
        let session: Arc<dyn Remote> = match side {
            Side::Salesforce => {
                let usage = UsageOf::new(Arc::clone(&self.metrics), &url);
                let config = SalesforceConfig {
                    api_share: target.api_share,
                    ..SalesforceConfig::new(url, credential)
                };
                let salesforce = Salesforce::new(config, transport, Arc::clone(&clock));
                Arc::new(salesforce.with_usage_observer(Arc::new(usage)))
            }
            Side::ServiceNow => {
                let config = ServiceNowConfig { instance_url: url };
                Arc::new(ServiceNow::new(config, credential, transport, Arc::clone(&clock)))
            }
        };
        Ok(Arc::new(SharedReads::new(session, clock)))
    }
}
