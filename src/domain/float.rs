//! Floats in the element type of the graph, serialized with the fewest digits that read back to the same float.

use std::fmt::Write as _;

use half::{bf16, f16};
use serde::{Serialize, Serializer, ser::SerializeSeq as _};

use super::tensor::{Buffer, ElementType};

/// One float of a graph output, in the element type of that output.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the names are the element types' own")]
pub enum Float {
    BF16(bf16),
    F16(f16),
    F32(f32),
    F64(f64),
}

impl Float {
    /// Converts to a double; exact for every type.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::BF16(value) => value.to_f64(),
            Self::F16(value) => value.to_f64(),
            Self::F32(value) => value.into(),
            Self::F64(value) => value,
        }
    }

    /// The element type.
    pub fn element(self) -> ElementType {
        match self {
            Self::BF16(_) => ElementType::BF16,
            Self::F16(_) => ElementType::F16,
            Self::F32(_) => ElementType::F32,
            Self::F64(_) => ElementType::F64,
        }
    }

    /// Rounds a double to the given type. Types other than 16-bit and 32-bit floats keep the double.
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
    pub fn round(value: f64, element: ElementType) -> Self {
        match element {
            ElementType::BF16 => Self::BF16(bf16::from_f64(value)),
            ElementType::F16 => Self::F16(f16::from_f64(value)),
            ElementType::F32 => Self::F32(value as f32),
            _ => Self::F64(value),
        }
    }

    /// Converts an interval to the given type, rounding outward so that the result contains it; `None` if an end is not
    /// finite in that type. Differences within the rounding error of the doubles themselves round to nearest, so that
    /// an end of 111.5 is written as 111.5.
    pub fn outward_interval((low, high): (f64, f64), element: ElementType) -> Option<(Self, Self)> {
        let slack = 8.0 * f64::EPSILON * low.abs().max(high.abs());
        let (mut lower, mut upper) = (Self::round(low, element), Self::round(high, element));
        if lower.as_f64() > low + slack {
            lower = lower.next(-1.0);
        }
        if upper.as_f64() < high - slack {
            upper = upper.next(1.0);
        }
        (lower.as_f64().is_finite() && upper.as_f64().is_finite()).then_some((lower, upper))
    }

    /// The next float upward (`sign` 1) or downward (`sign` -1). For 16-bit types it may skip one float, since the step
    /// is computed from the value and not from its power of two.
    fn next(self, sign: f64) -> Self {
        // The spacing of half-precision floats is 1/1024 of their power of two, and 2^-24 around zero.
        const LEAST_STEP: f64 = 5.960_464_477_539_063e-8;
        const LEAST_BRAIN_STEP: f64 = 9.183_549_615_799_121e-41;
        match self {
            Self::F16(value) => {
                let exact = value.to_f64();
                Self::F16(f16::from_f64(exact + sign * (exact.abs() / 1024.0).max(LEAST_STEP)))
            }
            Self::BF16(value) => {
                // For bfloat16 the spacing is 1/128, and 2^-133 around zero.
                let exact = value.to_f64();
                Self::BF16(bf16::from_f64(exact + sign * (exact.abs() / 128.0).max(LEAST_BRAIN_STEP)))
            }
            Self::F32(value) if sign > 0.0 => Self::F32(value.next_up()),
            Self::F32(value) => Self::F32(value.next_down()),
            Self::F64(value) if sign > 0.0 => Self::F64(value.next_up()),
            Self::F64(value) => Self::F64(value.next_down()),
        }
    }

    /// `1 - self`, computed in the element type.
    #[must_use]
    pub fn complement(self) -> Self {
        match self {
            Self::BF16(value) => Self::BF16(bf16::ONE - value),
            Self::F16(value) => Self::F16(f16::ONE - value),
            Self::F32(value) => Self::F32(1.0 - value),
            Self::F64(value) => Self::F64(1.0 - value),
        }
    }

    /// The larger of the float and 0.
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        match self {
            Self::BF16(value) => Self::BF16(value.max(bf16::ZERO)),
            Self::F16(value) => Self::F16(value.max(f16::ZERO)),
            Self::F32(value) => Self::F32(value.max(0.0)),
            Self::F64(value) => Self::F64(value.max(0.0)),
        }
    }

    /// Clamps the float to [0, 1].
    #[must_use]
    pub fn clamp_to_unit(self) -> Self {
        match self {
            Self::BF16(value) => Self::BF16(value.clamp(bf16::ZERO, bf16::ONE)),
            Self::F16(value) => Self::F16(value.clamp(f16::ZERO, f16::ONE)),
            Self::F32(value) => Self::F32(value.clamp(0.0, 1.0)),
            Self::F64(value) => Self::F64(value.clamp(0.0, 1.0)),
        }
    }

    /// The element at `index` of a numeric buffer: floats in their own type, integers as doubles. `None` for booleans
    /// and text, or if `index` is out of range.
    pub fn at(buffer: &Buffer, index: usize) -> Option<Self> {
        Some(match buffer {
            Buffer::BF16(vector) => Self::BF16(*vector.get(index)?),
            Buffer::F16(vector) => Self::F16(*vector.get(index)?),
            Buffer::F32(vector) => Self::F32(*vector.get(index)?),
            Buffer::F64(vector) => Self::F64(*vector.get(index)?),
            Buffer::I8(vector) => Self::F64((*vector.get(index)?).into()),
            Buffer::I16(vector) => Self::F64((*vector.get(index)?).into()),
            Buffer::I32(vector) => Self::F64((*vector.get(index)?).into()),
            Buffer::I64(vector) => Self::F64(*vector.get(index)? as f64),
            Buffer::U8(vector) => Self::F64((*vector.get(index)?).into()),
            Buffer::U16(vector) => Self::F64((*vector.get(index)?).into()),
            Buffer::U32(vector) => Self::F64((*vector.get(index)?).into()),
            Buffer::U64(vector) => Self::F64(*vector.get(index)? as f64),
            Buffer::Bool(_) | Buffer::Text(_) => return None,
        })
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::BF16(value) => {
                serializer.serialize_f64(shortest(value.to_f64(), |decimal| bf16::from_f64(decimal) == value))
            }
            Self::F16(value) => {
                serializer.serialize_f64(shortest(value.to_f64(), |decimal| f16::from_f64(decimal) == value))
            }
            Self::F32(value) => serializer.serialize_f32(value),
            Self::F64(value) => serializer.serialize_f64(value),
        }
    }
}

/// The double with the fewest decimal digits that converts to the same 16-bit float; `same` tests a candidate.
fn shortest(exact: f64, same: impl Fn(f64) -> bool) -> f64 {
    let mut text = String::new();
    // Five significant digits always identify a 16-bit float.
    for digits in 0..5 {
        text.clear();
        let written = write!(text, "{exact:.digits$e}");
        if let (Ok(()), Ok(candidate)) = (written, text.parse::<f64>())
            && same(candidate)
        {
            return candidate;
        }
    }
    exact
}

/// The tensor of one instance as nested arrays, last dimension innermost; a tensor without dimensions is a scalar.
#[derive(Debug, Clone, Copy)]
pub struct Nested<'a> {
    /// The dimensions of the part to serialize.
    pub shape: &'a [usize],
    /// The elements of the whole tensor.
    pub buffer: &'a Buffer,
    /// Index in `buffer` at which the part begins.
    pub offset: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((&length, inner)) = self.shape.split_first() else {
            return self.element(serializer);
        };
        let stride: usize = inner.iter().product();
        let mut sequence = serializer.serialize_seq(Some(length))?;
        for index in 0..length {
            let part = Self { shape: inner, buffer: self.buffer, offset: self.offset + index * stride };
            sequence.serialize_element(&part)?;
        }
        sequence.end()
    }
}

impl Nested<'_> {
    fn element<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = self.offset;
        match self.buffer {
            Buffer::BF16(vector) => Float::BF16(vector[index]).serialize(serializer),
            Buffer::F16(vector) => Float::F16(vector[index]).serialize(serializer),
            Buffer::F32(vector) => vector[index].serialize(serializer),
            Buffer::F64(vector) => vector[index].serialize(serializer),
            Buffer::I8(vector) => vector[index].serialize(serializer),
            Buffer::I16(vector) => vector[index].serialize(serializer),
            Buffer::I32(vector) => vector[index].serialize(serializer),
            Buffer::I64(vector) => vector[index].serialize(serializer),
            Buffer::U8(vector) => vector[index].serialize(serializer),
            Buffer::U16(vector) => vector[index].serialize(serializer),
            Buffer::U32(vector) => vector[index].serialize(serializer),
            Buffer::U64(vector) => vector[index].serialize(serializer),
            Buffer::Bool(vector) => vector[index].serialize(serializer),
            Buffer::Text(vector) => vector[index].serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_16_bit_float_reads_back() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            if half.is_finite() {
                let written = shortest(half.to_f64(), |decimal| f16::from_f64(decimal) == half);
                assert_eq!(f16::from_f64(written), half, "{bits:#06x}");
            }
            if brain.is_finite() {
                let written = shortest(brain.to_f64(), |decimal| bf16::from_f64(decimal) == brain);
                assert_eq!(bf16::from_f64(written), brain, "{bits:#06x}");
            }
        }
        for tenth in [Float::F16(f16::from_f64(0.1)), Float::BF16(bf16::from_f64(0.1))] {
            assert_eq!(serde_json::to_string(&tenth).ok().as_deref(), Some("0.1"));
        }
    }

    #[test]
    fn intervals_are_rounded_outward() {
        let pair = |low: f32, high: f32| Some((Float::F32(low), Float::F32(high)));
        assert_eq!(Float::outward_interval((111.5 - 1e-14, 194.9), ElementType::F32), pair(111.5, 194.9_f32.next_up()));
        assert_eq!(Float::outward_interval((1.0, f64::from(f32::MAX) * 2.0), ElementType::F32), None);
        for element in [ElementType::BF16, ElementType::F16, ElementType::F32, ElementType::F64] {
            for step in -40..40_i32 {
                let (low, high) = (f64::from(step) / 7.0, f64::from(step) / 7.0 + 1.0 / 3.0);
                let (lower, upper) = Float::outward_interval((low, high), element).expect("it is finite");
                assert!(lower.as_f64() <= low + 1e-12 && upper.as_f64() >= high - 1e-12, "{element} {low} {high}");
                let wider = if element == ElementType::BF16 { 0.2 } else { 0.02 };
                assert!((upper.as_f64() - lower.as_f64() - (high - low)).abs() < wider, "{element}: and no wider");
            }
        }
    }

    #[test]
    fn complements_stay_in_their_type() {
        assert_eq!(Float::F32(0.25).complement(), Float::F32(0.75));
        assert_eq!(Float::at(&Buffer::I64(vec![3]), 0), Some(Float::F64(3.0)));
        assert_eq!(Float::at(&Buffer::Bool(vec![true]), 0), None);
    }
}
