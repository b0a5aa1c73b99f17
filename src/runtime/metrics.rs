//! What the operator counts. Labels are few constant words, except on the gauges of flows, whose series go with them.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use url::Url;

use crate::adapters::http::metered::{CallObserver, CallReport};
use crate::adapters::salesforce::api_usage::{ApiUsage, ApiUsageObserver};
use crate::controllers::context::{FlowKey, ReconcileObserver};
use crate::engine::report::{FlowReport, FlowState};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    remote: &'static str,
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FlowLabels {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HostLabels {
    host: String,
}

impl From<&FlowKey> for FlowLabels {
    fn from(flow: &FlowKey) -> Self {
        Self {
            namespace: flow.namespace.clone(),
            name: flow.name.clone(),
        }
    }
}

/// Seconds from a millisecond to two minutes.
#[derive(Clone)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
        ])
    }
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Histogram, Seconds>,
    calls: Family<CallLabels, Histogram, Seconds>,
    linked: Family<FlowLabels, Gauge>,
    quarantined: Family<FlowLabels, Gauge>,
    conflicts: Family<FlowLabels, Gauge>,
    synced: Family<FlowLabels, Gauge>,
    last_change: Family<FlowLabels, Gauge>,
    last_good_cycle: Family<FlowLabels, Gauge>,
    restarts: Family<FlowLabels, Counter>,
    api_usage: Family<HostLabels, Gauge>,
    api_limit: Family<HostLabels, Gauge>,
    api_budget: Family<HostLabels, Gauge>,
    lease_held: Gauge,
    draining_aborted: Counter,
}

impl Metrics {
    /// With everything registered and nothing counted.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("syncflow");
        let reconciles = Family::<ReconcileLabels, Histogram, Seconds>::new_with_constructor(Seconds);
        let calls = Family::<CallLabels, Histogram, Seconds>::new_with_constructor(Seconds);
        let metrics = Self {
            linked: Family::default(),
            quarantined: Family::default(),
            conflicts: Family::default(),
            synced: Family::default(),
            last_change: Family::default(),
            last_good_cycle: Family::default(),
            restarts: Family::default(),
            api_usage: Family::default(),
            api_limit: Family::default(),
            api_budget: Family::default(),
            lease_held: Gauge::default(),
            draining_aborted: Counter::default(),
            registry: Registry::default(),
            reconciles: reconciles.clone(),
            calls: calls.clone(),
        };
        registry.register_with_unit(
            "reconcile_duration",
            "How long reconciles took, by kind and how they ended",
            Unit::Seconds,
            reconciles,
        );
        registry.register_with_unit(
            "remote_call_duration",
            "How long calls to the services took, one attempt each, by what for and how they went",
            Unit::Seconds,
            calls,
        );
        registry.register("flow_linked", "Pairs of records in sync", metrics.linked.clone());
        registry.register(
            "flow_quarantined",
            "Records that cannot be synced now",
            metrics.quarantined.clone(),
        );
        registry.register(
            "flow_conflicts",
            "Conflicts decided since the flow began",
            metrics.conflicts.clone(),
        );
        registry.register(
            "flow_synced",
            "1 when the last cycle read everything and settled it, otherwise 0",
            metrics.synced.clone(),
        );
        registry.register(
            "flow_last_change_timestamp_seconds",
            "When a cycle last changed something on either side, in seconds since the epoch",
            metrics.last_change.clone(),
        );
        registry.register(
            "flow_last_good_cycle_timestamp_seconds",
            "When a cycle last read everything and settled it, in seconds since the epoch; time() minus this is its age",
            metrics.last_good_cycle.clone(),
        );
        registry.register(
            "flow_worker_restarts",
            "Workers that ended without being asked to, and were started again",
            metrics.restarts.clone(),
        );
        registry.register(
            "api_usage",
            "Calls of the org in the last 24 hours, everybody's, as Salesforce said last",
            metrics.api_usage.clone(),
        );
        registry.register(
            "api_limit",
            "Calls that the org allows in 24 hours",
            metrics.api_limit.clone(),
        );
        registry.register(
            "api_budget",
            "Calls of the org at which the Connection stops",
            metrics.api_budget.clone(),
        );
        registry.register(
            "lease_held",
            "1 while this process may write",
            metrics.lease_held.clone(),
        );
        registry.register(
            "worker_drains_aborted",
            "Workers that did not drain in time and were dropped; the next start settles what they sent",
            metrics.draining_aborted.clone(),
        );
        Self { registry, ..metrics }
    }

    /// As Prometheus reads it.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A flow's worker said this.
    pub fn flow_reported(&self, flow: &FlowKey, report: &FlowReport) {
        let labels = FlowLabels::from(flow);
        let set = |family: &Family<FlowLabels, Gauge>, count: u64| {
            family
                .get_or_create(&labels)
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        set(&self.synced, u64::from(report.state == FlowState::Synced));
        if let Some(pulse) = report.last_good_cycle {
            self.last_good_cycle.get_or_create(&labels).set(pulse.seconds());
        }
        if report.state == FlowState::Starting {
            return;
        }
        set(&self.linked, report.linked);
        set(&self.quarantined, report.quarantined);
        set(&self.conflicts, report.conflicts);
        if let Some(change) = report.last_change {
            self.last_change.get_or_create(&labels).set(change.seconds());
        }
    }

    /// A flow's worker ended without being asked to.
    pub fn worker_restarted(&self, flow: &FlowKey) {
        self.restarts.get_or_create(&FlowLabels::from(flow)).inc();
    }

    /// A flow is gone, and its series with it.
    pub fn flow_gone(&self, flow: &FlowKey) {
        let labels = FlowLabels::from(flow);
        for family in [
            &self.linked,
            &self.quarantined,
            &self.conflicts,
            &self.synced,
            &self.last_change,
            &self.last_good_cycle,
        ] {
            family.remove(&labels);
        }
        self.restarts.remove(&labels);
    }

    /// May this process write?
    pub fn lease(&self, held: bool) {
        self.lease_held.set(i64::from(held));
    }

    /// A worker did not drain in time.
    pub fn drain_aborted(&self) {
        self.draining_aborted.inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The gauges of one org's calls.
pub struct UsageOf {
    metrics: Arc<Metrics>,
    labels: HostLabels,
}

impl UsageOf {
    /// Of the org behind this login URL.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, login_url: &Url) -> Self {
        let host = login_url.host_str().unwrap_or_default().to_owned();
        Self {
            metrics,
            labels: HostLabels { host },
        }
    }
}

impl ApiUsageObserver for UsageOf {
    fn observe(&self, usage: ApiUsage, ceiling: u64) {
        let set = |family: &Family<HostLabels, Gauge>, count: u64| {
            family
                .get_or_create(&self.labels)
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        set(&self.metrics.api_usage, usage.used);
        set(&self.metrics.api_limit, usage.allowed);
        set(&self.metrics.api_budget, ceiling);
    }
}

impl ReconcileObserver for Metrics {
    fn reconciled(&self, kind: &'static str, outcome: &'static str, duration: Duration) {
        let labels = ReconcileLabels { kind, outcome };
        self.reconciles
            .get_or_create(&labels)
            .observe(duration.as_secs_f64());
    }
}

impl CallObserver for Metrics {
    fn observe(&self, call: CallReport) {
        let labels = CallLabels {
            remote: call.side.label(),
            action: call.action,
            outcome: call.outcome.label(),
        };
        self.calls
            .get_or_create(&labels)
            .observe(call.duration.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::http::metered::CallOutcome;
    use crate::core::side::Side;

    #[test]
    fn a_flows_series_come_and_go_with_it_and_hold_no_record() {
        let metrics = Metrics::new();
        let flow = FlowKey {
            uid: "u".to_owned(),
            namespace: "sales".to_owned(),
            name: "cases".to_owned(),
        };
        let report = FlowReport {
            state: FlowState::Synced,
            linked: 3,
            ..FlowReport::default()
        };
        metrics.flow_reported(&flow, &report);
        let text = metrics.text().unwrap();
        assert!(
            text.contains("syncflow_flow_linked{namespace=\"sales\",name=\"cases\"} 3"),
            "{text}"
        );
        assert!(
            text.contains("syncflow_flow_synced{namespace=\"sales\",name=\"cases\"} 1"),
            "{text}"
        );
        metrics.flow_gone(&flow);
        assert!(!metrics.text().unwrap().contains("cases"));
    }

    #[test]
    fn calls_and_reconciles_are_counted_with_their_outcome() {
        let metrics = Metrics::new();
        metrics.reconciled("Connection", "ok", Duration::from_millis(3));
        metrics.observe(CallReport {
            side: Side::Salesforce,
            action: "query",
            outcome: CallOutcome::Throttled,
            duration: Duration::from_secs(1),
        });
        let text = metrics.text().unwrap();
        assert!(
            text.contains("syncflow_reconcile_duration_seconds_count{kind=\"Connection\",outcome=\"ok\"} 1")
        );
        let calls = "syncflow_remote_call_duration_seconds_count\
                     {remote=\"salesforce\",action=\"query\",outcome=\"throttled\"} 1";
        assert!(text.contains(calls), "{text}");
    }

    #[test]
    fn the_orgs_calls_are_shown_with_the_mark_at_which_we_stop() {
        let metrics = Arc::new(Metrics::new());
        let org = Url::parse("https://acme.my.salesforce.com").unwrap();
        let usage = ApiUsage {
            used: 18,
            allowed: 15_000,
        };
        UsageOf::new(Arc::clone(&metrics), &org).observe(usage, 12_000);
        let text = metrics.text().unwrap();
        for line in ["usage", "limit", "budget"].into_iter().zip([18, 15_000, 12_000]) {
            let line = format!(
                "syncflow_api_{}{{host=\"acme.my.salesforce.com\"}} {}",
                line.0, line.1
            );
            assert!(text.contains(&line), "{text}");
        }
    }
}
