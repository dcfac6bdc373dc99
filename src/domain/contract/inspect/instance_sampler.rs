//! Draws random instances of a contract from a seed. Values come from the choices, the usual range, the training data
//! or the hard bounds, in this order, else they are small plausible values. Used only at load, never for a request.

use crate::domain::{
    contract::{
        Contract, Feature,
        schema::{enum_values::EnumValues, rule::TypeSet},
    },
    json::JsonValue,
    number::Number,
    profile::{FeatureProfile, Profile},
    random::SplitMix64,
    tensor::ElementType,
};

/// If hard bounds are further apart than this, values are drawn near the bound closest to zero: bounds such as 0 to 1e9
/// exclude the impossible but say little about usual values.
const MAX_RANGE: f64 = 1000.0;

/// One in this many values is null, if null is admitted.
const NULL_SHARE: u64 = 16;

/// Texts to try if the contract lists no choices.
const TEXTS: [&str; 4] = ["a", "b", "1", "some text"];

/// How to choose the values of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Random values.
    Varied,
    /// Zeros, if the contract admits them.
    Zeros,
    /// Ones, if the contract admits them.
    Ones,
}

/// The distribution of the numbers whose range is unknown. It is the same for a whole instance: some graphs take only
/// positive numbers, only numbers below 1 or only numbers above 1, and a single other number makes an output NaN.
#[derive(Debug, Clone, Copy)]
enum Distribution {
    Standardized,
    Wide,
    Share,
    AboveOne,
}

impl Distribution {
    const ALL: [Self; 5] = [Self::Standardized, Self::Standardized, Self::Wide, Self::Share, Self::AboveOne];

    fn draw(self, random: &mut SplitMix64) -> f64 {
        match self {
            Self::Standardized => normal(random),
            Self::Wide => 4.0 * normal(random),
            Self::Share => uniform(random),
            Self::AboveOne => 1.0 + 2.0 * normal(random).abs(),
        }
    }
}

/// Draws instances of one contract.
pub struct InstanceSampler<'c> {
    contract: &'c Contract,
    /// The range of each feature, if it is known.
    ranges: Vec<Option<(f64, f64)>>,
    /// The array lengths of each feature, outermost first.
    lengths: Vec<Vec<usize>>,
    categories: Vec<Vec<JsonValue>>,
}

impl<'c> InstanceSampler<'c> {
    /// Prepares to draw instances with these array lengths per feature, clamped to what the contract admits.
    pub fn new(contract: &'c Contract, profile: Option<&Profile>, lengths: &[Vec<usize>]) -> Self {
        let profiled = |feature: &Feature| profile.and_then(|profile| profile.feature(&feature.name));
        let levels = |(index, feature): (usize, &Feature)| {
            let wanted = lengths.get(index);
            let level = |(level, dimension): (usize, &crate::domain::contract::Dimension)| {
                let length = wanted.and_then(|wanted| wanted.get(level)).copied().unwrap_or(dimension.min);
                length.clamp(dimension.min, dimension.max.unwrap_or(usize::MAX).max(dimension.min))
            };
            feature.dimensions.iter().enumerate().map(level).collect()
        };
        let categories = |feature: &Feature| match profiled(feature) {
            Some(FeatureProfile::Category(known)) => known.categories.iter().map(|(value, _)| value.clone()).collect(),
            _ => Vec::new(),
        };
        Self {
            contract,
            ranges: contract.features.iter().map(|feature| feature.range(profiled(feature))).collect(),
            lengths: contract.features.iter().enumerate().map(levels).collect(),
            categories: contract.features.iter().map(categories).collect(),
        }
    }

    /// The number of values in an instance.
    pub fn width(&self) -> usize {
        self.lengths.iter().map(|levels| levels.iter().product::<usize>()).fold(0, usize::saturating_add)
    }

    /// Draws one instance, as `features` by name.
    pub fn draw(&self, random: &mut SplitMix64, style: Style) -> JsonValue {
        let distribution =
            Distribution::ALL[usize::try_from(random.next_below(Distribution::ALL.len() as u64)).unwrap_or(0)];
        let members = self.contract.features.iter().enumerate().map(|(index, feature)| {
            let mut scalar = || self.scalar((index, feature), random, style, distribution);
            (feature.name.clone(), array(&self.lengths[index], &mut scalar))
        });
        JsonValue::Object(members.collect())
    }

    fn scalar(
        &self,
        (index, feature): (usize, &Feature),
        random: &mut SplitMix64,
        style: Style,
        distribution: Distribution,
    ) -> JsonValue {
        let types = feature.rule.types;
        if style == Style::Varied && types.has(TypeSet::NULL) && random.next_below(NULL_SHARE) == 0 {
            return JsonValue::Null;
        }
        let expected = feature.expected.iter().filter_map(|expected| expected.choices.as_ref());
        let choices = feature.rule.choices.iter().chain(expected);
        let listed = choices.flat_map(EnumValues::literals).chain(&self.categories[index]);
        let usable: Vec<&JsonValue> =
            listed.filter(|choice| **choice != JsonValue::Null && feature.rule.admits(choice)).collect();
        if !usable.is_empty() {
            let chosen = if style == Style::Varied { random.next_below(usable.len() as u64) } else { 0 };
            return usable[usize::try_from(chosen).unwrap_or(0)].clone();
        }
        if types.has(TypeSet::NUMBER.with(TypeSet::INTEGER)) {
            let fits = |number: &Number| feature.rule.admits(&JsonValue::Number(*number));
            let mut draw = || self.number((index, feature), random, style, distribution);
            let drawn = std::iter::repeat_with(&mut draw).take(4).find(fits);
            return JsonValue::Number(drawn.unwrap_or_else(|| feature.rule.example_number()));
        }
        if types.has(TypeSet::BOOLEAN) {
            return JsonValue::Bool(match style {
                Style::Varied => random.next_below(2) == 1,
                Style::Zeros => false,
                Style::Ones => true,
            });
        }
        let text =
            if style == Style::Varied { TEXTS[usize::try_from(random.next_below(4)).unwrap_or(0)] } else { TEXTS[0] };
        let text = JsonValue::Text(text.to_owned());
        if feature.rule.admits(&text) { text } else { JsonValue::Text(feature.rule.example_text()) }
    }

    fn number(
        &self,
        (index, feature): (usize, &Feature),
        random: &mut SplitMix64,
        style: Style,
        distribution: Distribution,
    ) -> Number {
        let whole = !feature.rule.types.has(TypeSet::NUMBER);
        let value = match (style, self.ranges[index]) {
            (Style::Zeros, _) => 0.0,
            (Style::Ones, _) => 1.0,
            (Style::Varied, Some((low, high))) => low + (high - low) * uniform(random),
            // Small integers: most likely these are indices, lengths or flags.
            (Style::Varied, None) if whole => f64::from(u8::try_from(random.next_below(4)).unwrap_or(0)),
            (Style::Varied, None) => distribution.draw(random),
        };
        let element = self.contract.inputs[feature.tensor].element;
        let value = match element {
            ElementType::U8 | ElementType::U16 | ElementType::U32 | ElementType::U64 => value.abs(),
            _ => value,
        };
        // Four decimals are enough, and keep the JSON short.
        let value = if whole || element.is_integer() { value.round() } else { (value * 1e4).round() / 1e4 };
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        if value.fract() == 0.0 && value.abs() < 1e15 { Number::from(value as i64) } else { Number::from(value) }
    }
}

fn array(lengths: &[usize], scalar: &mut impl FnMut() -> JsonValue) -> JsonValue {
    match lengths.split_first() {
        None => scalar(),
        Some((length, inner)) => JsonValue::List((0..*length).map(|_| array(inner, scalar)).collect()),
    }
}

impl Feature {
    /// Returns the range of its numbers: the usual range, else that of the training data, else the bounds.
    fn range(&self, profile: Option<&FeatureProfile>) -> Option<(f64, f64)> {
        let usual = self.expected.as_ref().and_then(|expected| Some((expected.minimum?, expected.maximum?)));
        if let Some((low, high)) = usual {
            return Some((low.as_f64(), high.as_f64()));
        }
        if let Some(FeatureProfile::Number(seen)) = profile {
            return Some((seen.minimum, seen.maximum));
        }
        match self.rule.range() {
            (Some(low), Some(high)) if high - low <= MAX_RANGE => Some((low, high)),
            (Some(low), high) if low >= 0.0 => Some((low, high.unwrap_or(f64::INFINITY).min(low + 10.0))),
            (low, Some(high)) if high <= 0.0 => Some((low.unwrap_or(f64::NEG_INFINITY).max(high - 10.0), high)),
            _ => None,
        }
    }
}

/// Returns the array lengths of an instance per feature, outermost first.
pub fn lengths_of(contract: &Contract, instance: &JsonValue) -> Vec<Vec<usize>> {
    let lengths = |feature: &Feature| {
        let mut value = instance.get(&feature.name);
        let mut lengths = Vec::new();
        while let Some(JsonValue::List(items)) = value {
            lengths.push(items.len());
            value = items.first();
        }
        lengths
    };
    contract.features.iter().map(lengths).collect()
}

/// Draws a uniform number in [0, 1).
fn uniform(random: &mut SplitMix64) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Draws a standard normal number (Box and Muller 1958).
fn normal(random: &mut SplitMix64) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(random)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(random)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        contract::schema::compile,
        signature::{OutputSpec, Signature, TensorSpec},
    };

    /// Compiles a contract with one array feature whose items have this schema.
    fn contract(schema: &str) -> Contract {
        let text = format!(
            r#"{{"type": "object", "properties": {{"x": {{"type": "array", "items": {schema}}}}}, "required": ["x"],
                "x-inputs": [{{"tensor": "x", "features": ["x"]}}], "x-output": {{"task": "tensors"}}}}"#
        );
        let spec = TensorSpec { name: "x".into(), element: ElementType::F32, shape: vec![None, None] };
        let outputs = vec![OutputSpec::Tensor(TensorSpec { name: "y".into(), ..spec.clone() })];
        let document: JsonValue = serde_json::from_str(&text).expect("JSON");
        compile(&document, &Signature { inputs: vec![spec], outputs }).expect("it fits")
    }

    fn drawn(schema: &str, style: Style) -> Vec<f64> {
        let contract = contract(schema);
        let drawing = InstanceSampler::new(&contract, None, &[vec![6]]);
        let mut random = SplitMix64::new(1);
        let instances = (0..64).map(|_| drawing.draw(&mut random, style));
        let numbers = |instance: JsonValue| match instance.get("x") {
            Some(JsonValue::List(items)) => {
                assert_eq!(items.len(), 6);
                let number =
                    |item: &JsonValue| if let JsonValue::Number(number) = item { number.as_f64() } else { f64::NAN };
                items.iter().map(number).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        instances.flat_map(numbers).collect()
    }

    #[test]
    fn drawn_values_keep_the_contract_and_vary() {
        let cases: [(&str, std::ops::RangeInclusive<f64>); 5] = [
            (r#"{"type": "number"}"#, -40.0..=40.0),
            (r#"{"type": "number", "minimum": 2, "maximum": 3}"#, 2.0..=3.0),
            (r#"{"type": "number", "exclusiveMinimum": 0}"#, 1e-9..=10.0),
            (r#"{"type": "integer", "minimum": -5, "maximum": 1000000000}"#, 0.0..=3.0),
            (r#"{"type": "number", "enum": [1.5, 7]}"#, 1.5..=7.0),
        ];
        for (schema, range) in cases {
            let values = drawn(schema, Style::Varied);
            assert!(values.iter().all(|value| range.contains(value)), "{schema}: {values:?}");
            let distinct: std::collections::BTreeSet<u64> = values.iter().map(|value| value.to_bits()).collect();
            assert!(distinct.len() > 1 && values == drawn(schema, Style::Varied), "{schema}: alike at every start");
        }
        assert!(drawn(r#"{"type": "number"}"#, Style::Zeros).iter().all(|value| *value == 0.0));
        assert!(
            drawn(r#"{"type": "number", "minimum": 3}"#, Style::Ones).iter().all(|value| (value - 3.0).abs() < 1e-12)
        );
    }
}
