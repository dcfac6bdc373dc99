//! A metric with labels: one instrument for each set of label values.
//!
//! This replaces the metric vectors of the `prometheus` crate for three reasons. They look up a child by a hash of the
//! concatenated label values, without a separator, so version `11` of model `m` and version `1` of model `m1` are one
//! series. All their children share one list of buckets. They do not support exemplars. Names and help texts are
//! declared in `metrics`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto::{LabelPair, MetricFamily},
};

use super::{
    description::MetricDescription,
    error::TelemetryError,
    instrument::Instrument,
    openmetrics::{Exemplars, series},
};

/// A metric with labels. Clones share the same family.
#[derive(Debug)]
pub(super) struct Family<I>(Arc<Inner<I>>);

#[derive(Debug)]
struct Inner<I> {
    desc: Desc,
    name: &'static str,
    labels: &'static [&'static str],
    children: RwLock<Children<I>>,
}

type Children<I> = BTreeMap<Vec<String>, Arc<I>>;

impl<I> Clone for Family<I> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I: Instrument> Family<I> {
    /// Creates an empty family and registers it.
    pub(super) fn register(registry: &Registry, of: &MetricDescription) -> Result<Self, TelemetryError> {
        let failed = |source: prometheus::Error| TelemetryError::Register { name: of.name, source: source.into() };
        let labels = of.labels.iter().map(ToString::to_string).collect();
        let desc = Desc::new(of.name.into(), of.help.into(), labels, HashMap::new());
        let family = Self(Arc::new(Inner {
            desc: desc.map_err(failed)?,
            name: of.name,
            labels: of.labels,
            children: RwLock::default(),
        }));
        registry.register(Box::new(family.clone())).map_err(failed)?;
        Ok(family)
    }

    /// Returns the series with these label values; creates it if it does not exist.
    pub(super) fn series(&self, values: &[&str], make: impl FnOnce() -> I) -> Arc<I> {
        self.series_matching(values, |_| true, make)
    }

    /// Exposes an existing instrument under these label values, replacing any previous one.
    pub(super) fn adopt(&self, values: &[&str], instrument: Arc<I>) {
        debug_assert_eq!(values.len(), self.0.labels.len(), "labels of {}", self.0.name);
        let key = values.iter().map(ToString::to_string).collect();
        self.0.children.write().unwrap_or_else(PoisonError::into_inner).insert(key, instrument);
    }

    /// Returns the series with these label values; creates it if it does not exist, and replaces it if it does not fit.
    pub(super) fn series_matching(
        &self,
        values: &[&str],
        fits: impl Fn(&I) -> bool,
        make: impl FnOnce() -> I,
    ) -> Arc<I> {
        debug_assert_eq!(values.len(), self.0.labels.len(), "labels of {}", self.0.name);
        let key: Vec<String> = values.iter().map(ToString::to_string).collect();
        let children = self.0.children.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(child) = children.get(&key).filter(|child| fits(child)) {
            return Arc::clone(child);
        }
        drop(children);
        let mut children = self.0.children.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have created it between the two locks.
        if let Some(child) = children.get(&key).filter(|child| fits(child)) {
            return Arc::clone(child);
        }
        let child = Arc::new(make());
        children.insert(key, Arc::clone(&child));
        child
    }
}

/// Operations on a family that do not depend on its instrument.
pub(super) trait AnyFamily {
    /// The metric's name.
    fn name(&self) -> &'static str;
    /// Removes every series of this version, if the family has the labels `model` and `version`.
    fn remove(&self, model: &str, version: &str);
    /// Adds the current exemplars to `all`.
    fn collect_exemplars(&self, all: &mut Exemplars);
}

impl<I: Instrument> AnyFamily for Family<I> {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn remove(&self, model: &str, version: &str) {
        let place = |label| self.0.labels.iter().position(|name| *name == label);
        let (Some(m), Some(v)) = (place("model"), place("version")) else {
            return;
        };
        let mut children = self.0.children.write().unwrap_or_else(PoisonError::into_inner);
        children.retain(|key, _| key[m] != model || key[v] != version);
    }

    fn collect_exemplars(&self, all: &mut Exemplars) {
        let children = self.0.children.read().unwrap_or_else(PoisonError::into_inner);
        for (values, child) in children.iter() {
            let exemplars = child.exemplars();
            if exemplars.iter().any(Option::is_some) {
                let pairs = pairs(self.0.labels, values);
                all.insert(series(self.0.name, &pairs), exemplars);
            }
        }
    }
}

impl<I: Instrument> Collector for Family<I> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let children = self.0.children.read().unwrap_or_else(PoisonError::into_inner);
        let samples = children.iter().filter_map(|(values, child)| {
            let mut sample = child.sample()?;
            sample.set_label(pairs(self.0.labels, values));
            Some(sample)
        });
        let mut family = MetricFamily::default();
        family.set_name(self.0.name.to_owned());
        family.set_help(self.0.desc.help.clone());
        family.set_field_type(I::TYPE);
        family.set_metric(samples.collect());
        vec![family]
    }
}

fn pairs(names: &[&str], values: &[String]) -> Vec<LabelPair> {
    let pair = |(name, value): (&&str, &String)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.clone());
        pair
    };
    names.iter().zip(values).map(pair).collect()
}
