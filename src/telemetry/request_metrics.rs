//! Counts one request; nothing else does.
//!
//! A successful request costs a few atomic operations and no lookup; other requests look up their series. This file
//! decides what is counted and writes no log lines.

use super::{
    buckets,
    event::{CancelStage, PredictedValue, RequestEvent, ShedReason},
    exemplar::ExemplarSource,
    instrument::{Counter, Histogram},
    metrics::Metrics,
    version_metrics::VersionMetrics,
};

impl Metrics {
    /// Counts one request, whatever its outcome.
    ///
    /// `version` is the version that the request was pinned to. Without one, `model` is the value of the label `model`:
    /// `_unknown` for a name that is not served, empty for a route without a model.
    pub fn record(&self, version: Option<&VersionMetrics>, model: &str, event: &RequestEvent<'_>) {
        let sighting = ExemplarSource::now(event.request_id, event.trace_id);
        let sighting = sighting.as_ref();
        self.count_request(version, model, event, sighting);
        if let Some(version) = version {
            observe_answer(version, event, sighting);
        }
        if let (Some(variant), Some(version)) = (event.variant, version.filter(|version| !version.is_retired())) {
            let labels = [version.model(), version.version(), variant, event.outcome_kind().as_str()];
            self.variant_requests.series(&labels, Counter::default).inc();
        }
        let refused = event.shed.is_some() || event.cancelled.is_some();
        if !refused && event.violations.is_empty() && event.warnings.is_empty() {
            return;
        }
        match version {
            Some(version) if version.is_retired() => {}
            Some(version) => {
                self.count_refusal([version.model(), version.version()], event);
                self.count_features(version, event, sighting);
            }
            None => self.count_refusal([model, ""], event),
        }
    }

    fn count_request(
        &self,
        version: Option<&VersionMetrics>,
        model: &str,
        event: &RequestEvent<'_>,
        sighting: Option<&ExemplarSource<'_>>,
    ) {
        let road = version.and_then(|v| v.route_series(self, event.protocol, event.route));
        if let (Some(road), 200, "ok") = (road, event.status, event.code) {
            road.answered.inc_with_exemplar(sighting);
        } else {
            let (model, version) = version.map_or((model, ""), |v| (v.model(), v.version()));
            let status = event.status.to_string();
            let labels = [event.protocol, event.route, model, version, &status, event.code];
            self.requests.series(&labels, Counter::default).inc_with_exemplar(sighting);
        }
        let seconds = event.duration.as_secs_f64();
        let ending = event.outcome_kind();
        match (road, version) {
            (Some(road), Some(version)) => road.seconds(self, version, ending).observe_with_exemplar(seconds, sighting),
            // A removed version keeps only its `candor_requests_total` series.
            (None, Some(version)) if version.is_retired() => {}
            (_, version) => {
                let (model, version) = version.map_or((model, ""), |v| (v.model(), v.version()));
                let labels = [event.protocol, event.route, model, version, ending.as_str()];
                let make = || Histogram::new(&buckets::REQUEST_SECONDS);
                let series = self.request_seconds.series(&labels, make);
                series.observe_with_exemplar(seconds, sighting);
            }
        }
    }

    fn count_refusal(&self, [model, version]: [&str; 2], event: &RequestEvent<'_>) {
        let cases = [
            (&self.shed, event.shed.map(ShedReason::as_str)),
            (&self.cancelled, event.cancelled.map(CancelStage::as_str)),
        ];
        for (family, reason) in cases {
            if let Some(reason) = reason {
                family.series(&[model, version, reason], Counter::default).inc();
            }
        }
    }

    fn count_features(
        &self,
        version: &VersionMetrics,
        event: &RequestEvent<'_>,
        sighting: Option<&ExemplarSource<'_>>,
    ) {
        for (feature, code) in event.violations {
            let feature = version.feature(feature);
            let labels = [version.model(), version.version(), feature, code];
            let series = self.violations.series(&labels, Counter::default);
            series.inc_with_exemplar(sighting);
        }
        for feature in event.warnings {
            if let Some(counter) = version.warning(self, feature) {
                counter.inc();
            }
        }
    }
}

fn observe_answer(version: &VersionMetrics, event: &RequestEvent<'_>, sighting: Option<&ExemplarSource<'_>>) {
    for (series, took) in version.stages.iter().zip(event.stages.in_order()) {
        if let Some(took) = took {
            series.observe(took.as_secs_f64());
        }
    }
    if let Some(rows) = event.explain_rows {
        version.explain_rows.add(rows as u64);
    }
    if let (Some(series), Some(uncertainty)) = (&version.uncertainty, event.uncertainty) {
        series.observe_with_exemplar(uncertainty, sighting);
    }
    match event.outcome {
        PredictedValue::Class(index) => {
            if let Some(series) = version.classes.get(index) {
                series.inc();
            }
        }
        PredictedValue::Value(value) => {
            if let Some(series) = &version.value {
                series.observe(value);
            }
        }
        PredictedValue::None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use crate::domain::contract::Task;
    use crate::telemetry::{
        BatchCloseReason, BuildInfo, CancelStage, Metrics, ModelInfo, ModelState, PredictedValue, RequestEvent,
        ShedReason, Stages, VersionLabels, VersionMetrics,
    };

    const ROUTE: &str = "/models/{model}/predict";
    const BUILD: BuildInfo<'_> = BuildInfo {
        version: "0.1.0",
        revision: "abc",
        onnxruntime: "1.31.0",
        onnxruntime_built_for: "1.31",
        features: "",
    };

    fn metrics() -> Metrics {
        Metrics::new(&BUILD).expect("the names differ")
    }

    fn churn(metrics: &Metrics, version: &str) -> Arc<VersionMetrics> {
        metrics.version(&VersionLabels {
            model: "churn",
            version,
            task: Task::Classification,
            classes: &["stay".to_owned(), "a \"quoted\"\\\nclass".to_owned()],
            features: &["plan".to_owned()],
            uncertainty_buckets: None,
            value_buckets: None,
        })
    }

    fn answered(request_id: &str) -> RequestEvent<'_> {
        RequestEvent {
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            duration: Duration::from_micros(400),
            stages: Stages { infer: Some(Duration::from_micros(150)), ..Stages::default() },
            uncertainty: Some(0.27),
            outcome: PredictedValue::Class(1),
            ..RequestEvent::new(request_id, "native", ROUTE)
        }
    }

    fn assert_lines(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|l| l == *line), "no line {line} in\n{text}");
        }
    }

    #[test]
    fn an_answer_is_counted_in_both_formats() {
        let metrics = metrics();
        let version = churn(&metrics, "1");
        metrics.record(Some(&version), "", &answered("r-1"));
        let (text, open) = (metrics.text(), metrics.openmetrics());
        let road = r#"protocol="native",route="/models/{model}/predict",model="churn",version="1""#;
        let answered = format!(r#"{road},outcome="ok""#);
        let both = r#"model="churn",version="1""#;
        assert_lines(
            &text,
            &[
                &format!(r#"candor_requests_total{{{road},status="200",code="ok"}} 1"#),
                &format!(r#"candor_request_duration_seconds_bucket{{{answered},le="0.0003"}} 0"#),
                &format!(r#"candor_request_duration_seconds_bucket{{{answered},le="0.0005"}} 1"#),
                &format!(r#"candor_stage_duration_seconds_sum{{{both},stage="infer"}} 0.00015"#),
                &format!(r#"candor_uncertainty_bucket{{{both},le="0.3"}} 1"#),
                &format!(r#"candor_predictions_total{{{both},class="a \"quoted\"\\\nclass"}} 1"#),
                r#"candor_build_info{version="0.1.0",revision="abc",onnxruntime="1.31.0",onnxruntime_built_for="1.31",features=""} 1"#,
            ],
        );
        let exemplar = r#"# {request_id="r-1",trace_id="4bf92f3577b34da6a3ce929d0e0e4736"}"#;
        for start in [
            format!(r#"candor_requests_total{{{road},status="200",code="ok"}} 1 {exemplar} 1 "#),
            format!(r#"candor_uncertainty_bucket{{{both},le="0.3"}} 1 {exemplar} 0.27 "#),
            "# TYPE candor_requests counter".to_owned(),
            "# UNIT candor_request_duration_seconds seconds".to_owned(),
            format!(r#"candor_uncertainty_bucket{{{both},le="1.0"}} 1"#),
        ] {
            assert!(open.lines().any(|l| l.starts_with(&start)), "no {start} in\n{open}");
        }
        assert!(open.ends_with("# EOF\n"));
    }

    #[test]
    fn durations_are_told_apart_by_outcome() {
        let metrics = metrics();
        let version = churn(&metrics, "1");
        for (status, cancelled) in
            [(200, None), (400, None), (503, None), (504, None), (499, Some(CancelStage::Request))]
        {
            let event = RequestEvent { status, cancelled, ..answered("r") };
            metrics.record(Some(&version), "", &event);
            metrics.record(None, "", &event);
        }
        let text = metrics.text();
        for both in [r#"model="churn",version="1""#, r#"model="",version="""#] {
            let of = |outcome: &str| {
                format!(
                    r#"candor_request_duration_seconds_count{{protocol="native",route="{ROUTE}",{both},outcome="{outcome}"}}"#
                )
            };
            let counts = [("ok", 1), ("refused", 2), ("failed", 1), ("cancelled", 1)];
            assert_lines(
                &text,
                &counts.map(|(outcome, count)| format!("{} {count}", of(outcome))).each_ref().map(String::as_str),
            );
        }
    }

    #[test]
    fn refusals_are_counted_by_reason_and_feature() {
        let metrics = metrics();
        let version = churn(&metrics, "1");
        let event = RequestEvent {
            status: 400,
            code: "data_contract_violation",
            violations: &[("plan", "not_in_enum"), ("made-up", "unknown_feature")],
            warnings: &["plan", "made-up"],
            shed: Some(ShedReason::Draining),
            cancelled: Some(CancelStage::Body),
            ..RequestEvent::new("r", "native", ROUTE)
        };
        metrics.record(Some(&version), "", &event);
        let unknown = RequestEvent { status: 404, code: "unknown_model", ..RequestEvent::new("r", "native", ROUTE) };
        metrics.record(None, "_unknown", &unknown);
        let both = r#"model="churn",version="1""#;
        let none = r#"model="_unknown",version="""#;
        let code = r#"status="404",code="unknown_model""#;
        assert_lines(
            &metrics.text(),
            &[
                &format!(r#"candor_contract_violations_total{{{both},feature="plan",code="not_in_enum"}} 1"#),
                &format!(r#"candor_contract_violations_total{{{both},feature="_unknown",code="unknown_feature"}} 1"#),
                &format!(r#"candor_contract_warnings_total{{{both},feature="plan"}} 1"#),
                &format!(r#"candor_requests_shed_total{{{both},reason="draining"}} 1"#),
                &format!(r#"candor_cancelled_total{{{both},stage="body"}} 1"#),
                &format!(r#"candor_requests_total{{protocol="native",route="{ROUTE}",{none},{code}}} 1"#),
            ],
        );
        assert!(!metrics.text().contains("made-up"));
    }

    #[test]
    fn label_values_that_join_to_one_text_are_two_series() {
        let metrics = metrics();
        metrics.set_state("m", "11", ModelState::Ready);
        metrics.set_state("m1", "1", ModelState::Loading);
        assert_lines(
            &metrics.text(),
            &[
                r#"candor_model_state{model="m",version="11",state="ready"} 1"#,
                r#"candor_model_state{model="m",version="11",state="loading"} 0"#,
                r#"candor_model_state{model="m1",version="1",state="loading"} 1"#,
            ],
        );
    }

    #[test]
    fn a_removed_version_leaves_only_its_requests() {
        let metrics = metrics();
        let (gone, stays) = (churn(&metrics, "1"), churn(&metrics, "2"));
        for (version, name) in [(&gone, "1"), (&stays, "2")] {
            metrics.record(Some(version), "", &answered("r"));
            metrics.set_state("churn", name, ModelState::Ready);
            version.set_load(Duration::from_millis(80));
            version.set_cost(8, Duration::from_micros(90));
            version.observe_batch(8, BatchCloseReason::Full);
        }
        metrics.set_model_info(&ModelInfo {
            model: "churn",
            version: "1",
            contract: "sha256:1",
            training_data: "t",
            model_sha256: "2",
            provider: "cpu",
            uncertainty_method: "none",
        });
        metrics.remove_version("churn", "1");
        // A request in flight ends after the removal; another one does so on a route that was not used before.
        metrics.record(Some(&gone), "", &answered("late"));
        let other = RequestEvent::new("late", "native", "/predict");
        metrics.record(Some(&gone), "", &RequestEvent { shed: Some(ShedReason::Draining), ..other });
        let text = metrics.text();
        let left = text.lines().filter(|l| l.contains(r#"model="churn",version="1""#));
        let left: Vec<&str> = left.collect();
        assert_eq!(left.len(), 2, "{left:#?}");
        assert!(left.iter().all(|l| l.starts_with("candor_requests_total")), "{left:#?}");
        let stays = text.lines().filter(|l| l.contains(r#"model="churn",version="2""#));
        assert!(stays.count() > 50, "{text}");
    }

    #[test]
    fn each_regression_has_its_own_buckets() {
        let metrics = metrics();
        let known = [100.0, 50.0, f64::NAN];
        for (name, buckets) in [("known", Some(&known[..])), ("bare", None)] {
            let version = metrics.version(&VersionLabels {
                model: name,
                version: "1",
                task: Task::Regression,
                classes: &[],
                features: &[],
                uncertainty_buckets: buckets,
                value_buckets: buckets,
            });
            for value in [-3.0, 60.0, f64::NAN, f64::INFINITY] {
                let (outcome, uncertainty) = (PredictedValue::Value(value), Some(value));
                let event = RequestEvent::new("r", "native", ROUTE);
                let event = RequestEvent { uncertainty, outcome, ..event };
                metrics.record(Some(&version), "", &event);
            }
        }
        let (text, open) = (metrics.text(), metrics.openmetrics());
        assert_lines(
            &text,
            &[
                r#"candor_prediction_value_bucket{model="known",version="1",le="50"} 1"#,
                r#"candor_prediction_value_bucket{model="known",version="1",le="100"} 2"#,
                r#"candor_prediction_value_count{model="known",version="1"} 2"#,
                r#"candor_prediction_value_bucket{model="bare",version="1",le="-1"} 1"#,
                r#"candor_uncertainty_bucket{model="known",version="1",le="50"} 1"#,
            ],
        );
        assert!(!text.contains(r#"candor_uncertainty_bucket{model="bare""#));
        assert!(open.contains(r#"candor_prediction_value_sum{model="known""#));
        // OpenMetrics forbids a sum if there are negative bounds.
        assert!(!open.contains(r#"candor_prediction_value_sum{model="bare""#));
    }
}
