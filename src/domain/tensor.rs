//! Tensors as plain data: element types, and typed buffers that reject values they cannot represent.

use std::fmt;

use half::{bf16, f16};

use super::number::Number;

/// The element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the element types' own")]
pub enum ElementType {
    BF16,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    Text,
}

impl ElementType {
    /// The ONNX name of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BF16 => "bfloat16",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::Bool => "bool",
            Self::Text => "string",
        }
    }

    /// Whether this is a floating-point type, in which NaN can represent a missing value.
    pub fn is_float(self) -> bool {
        matches!(self, Self::BF16 | Self::F16 | Self::F32 | Self::F64)
    }

    /// Whether this is an integer type.
    pub fn is_integer(self) -> bool {
        !self.is_float() && !matches!(self, Self::Bool | Self::Text)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The elements of a tensor, in row-major order.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are the element types' own")]
pub enum Buffer {
    BF16(Vec<bf16>),
    F16(Vec<f16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
}

/// Evaluates an expression for the vector inside a [`Buffer`], whatever its type.
macro_rules! each_buffer {
    ($buffer:expr, $vector:ident => $body:expr) => {
        match $buffer {
            Buffer::BF16($vector) => $body,
            Buffer::F16($vector) => $body,
            Buffer::F32($vector) => $body,
            Buffer::F64($vector) => $body,
            Buffer::I8($vector) => $body,
            Buffer::I16($vector) => $body,
            Buffer::I32($vector) => $body,
            Buffer::I64($vector) => $body,
            Buffer::U8($vector) => $body,
            Buffer::U16($vector) => $body,
            Buffer::U32($vector) => $body,
            Buffer::U64($vector) => $body,
            Buffer::Bool($vector) => $body,
            Buffer::Text($vector) => $body,
        }
    };
}
pub(crate) use each_buffer;

/// Smallest magnitude that float16 rounds to infinity: the midpoint between its maximum, 65504, and 65536.
pub const HALF_OVERFLOW: f64 = 65520.0;

/// A value is not representable in the element type of its tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRepresentable;

impl Buffer {
    /// Creates an empty buffer with the given capacity.
    pub fn with_capacity(element: ElementType, capacity: usize) -> Self {
        match element {
            ElementType::BF16 => Self::BF16(Vec::with_capacity(capacity)),
            ElementType::F16 => Self::F16(Vec::with_capacity(capacity)),
            ElementType::F32 => Self::F32(Vec::with_capacity(capacity)),
            ElementType::F64 => Self::F64(Vec::with_capacity(capacity)),
            ElementType::I8 => Self::I8(Vec::with_capacity(capacity)),
            ElementType::I16 => Self::I16(Vec::with_capacity(capacity)),
            ElementType::I32 => Self::I32(Vec::with_capacity(capacity)),
            ElementType::I64 => Self::I64(Vec::with_capacity(capacity)),
            ElementType::U8 => Self::U8(Vec::with_capacity(capacity)),
            ElementType::U16 => Self::U16(Vec::with_capacity(capacity)),
            ElementType::U32 => Self::U32(Vec::with_capacity(capacity)),
            ElementType::U64 => Self::U64(Vec::with_capacity(capacity)),
            ElementType::Bool => Self::Bool(Vec::with_capacity(capacity)),
            ElementType::Text => Self::Text(Vec::with_capacity(capacity)),
        }
    }

    /// Creates a buffer of `length` zeros, `false`s or empty strings, to be filled in any order.
    pub fn zeros(element: ElementType, length: usize) -> Self {
        let mut buffer = Self::with_capacity(element, length);
        each_buffer!(&mut buffer, vector => vector.resize_with(length, Default::default));
        buffer
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        each_buffer!(self, vector => vector.len())
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element type.
    pub fn element(&self) -> ElementType {
        match self {
            Self::BF16(_) => ElementType::BF16,
            Self::F16(_) => ElementType::F16,
            Self::F32(_) => ElementType::F32,
            Self::F64(_) => ElementType::F64,
            Self::I8(_) => ElementType::I8,
            Self::I16(_) => ElementType::I16,
            Self::I32(_) => ElementType::I32,
            Self::I64(_) => ElementType::I64,
            Self::U8(_) => ElementType::U8,
            Self::U16(_) => ElementType::U16,
            Self::U32(_) => ElementType::U32,
            Self::U64(_) => ElementType::U64,
            Self::Bool(_) => ElementType::Bool,
            Self::Text(_) => ElementType::Text,
        }
    }

    /// Appends `by` default elements: zero, `false` or the empty string.
    pub fn extend_default(&mut self, by: usize) {
        each_buffer!(self, vector => vector.resize_with(vector.len() + by, Default::default));
    }

    /// Whether two buffers of the same type are bitwise equal at `index`, so that NaN equals NaN. `false` if the types
    /// differ.
    pub fn bits_equal_at(&self, other: &Self, index: usize) -> bool {
        macro_rules! bits {
            ($($variant:ident),*) => {
                match (self, other) {
                    $((Self::$variant(one), Self::$variant(other)) => {
                        bytemuck::bytes_of(&one[index]) == bytemuck::bytes_of(&other[index])
                    })*
                    (Self::Text(one), Self::Text(other)) => one[index] == other[index],
                    _ => false,
                }
            };
        }
        bits!(BF16, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool)
    }

    /// Copies the element at `index` from another buffer of the same type. Does nothing if the types differ.
    pub fn copy_element(&mut self, source: &Self, index: usize) {
        macro_rules! copy {
            ($($variant:ident),*) => {
                match (self, source) {
                    $((Self::$variant(own), Self::$variant(source)) => own[index].clone_from(&source[index]),)*
                    _ => {}
                }
            };
        }
        copy!(BF16, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool, Text);
    }

    /// Sets the element at `index` to a number.
    ///
    /// # Errors
    /// Returns [`NotRepresentable`] if the element type cannot hold the number: a fraction or an out-of-range value for
    /// an integer type, a number that a floating-point type would round to infinity, anything but 0 and 1 for `bool`,
    /// and any number for `string`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding a double to a narrower float is the conversion asked for"
    )]
    pub fn put_number(&mut self, index: usize, number: Number) -> Result<(), NotRepresentable> {
        fn whole<T: TryFrom<i128>>(slot: &mut T, number: Number) -> Result<(), NotRepresentable> {
            let value = number.as_whole().ok_or(NotRepresentable)?;
            *slot = T::try_from(value).map_err(|_| NotRepresentable)?;
            Ok(())
        }
        let finite = |fits: bool| if fits { Ok(()) } else { Err(NotRepresentable) };
        match self {
            Self::F32(vector) => {
                vector[index] = number.as_f64() as f32;
                finite(vector[index].is_finite())
            }
            Self::F64(vector) => {
                vector[index] = number.as_f64();
                finite(vector[index].is_finite())
            }
            Self::F16(vector) => {
                let value = number.as_f64();
                // Some CPUs round twice when converting to float16 and yield infinity for values just below the
                // overflow limit.
                vector[index] = f16::from_f64(value).clamp(f16::MIN, f16::MAX);
                finite(value.abs() < HALF_OVERFLOW)
            }
            Self::BF16(vector) => {
                vector[index] = bf16::from_f64(number.as_f64());
                finite(vector[index].is_finite())
            }
            Self::I8(vector) => whole(&mut vector[index], number),
            Self::I16(vector) => whole(&mut vector[index], number),
            Self::I32(vector) => whole(&mut vector[index], number),
            Self::I64(vector) => whole(&mut vector[index], number),
            Self::U8(vector) => whole(&mut vector[index], number),
            Self::U16(vector) => whole(&mut vector[index], number),
            Self::U32(vector) => whole(&mut vector[index], number),
            Self::U64(vector) => whole(&mut vector[index], number),
            Self::Bool(vector) => {
                let value = number.as_whole().ok_or(NotRepresentable)?;
                vector[index] = value == 1;
                finite(value == 0 || value == 1)
            }
            Self::Text(_) => Err(NotRepresentable),
        }
    }

    /// Sets the element at `index` to a boolean; 0 or 1 in a numeric tensor.
    ///
    /// # Errors
    /// Returns [`NotRepresentable`] if the tensor holds strings.
    pub fn put_bool(&mut self, index: usize, value: bool) -> Result<(), NotRepresentable> {
        if let Self::Bool(vector) = self {
            vector[index] = value;
            Ok(())
        } else {
            self.put_number(index, Number::from(u64::from(value)))
        }
    }

    /// Sets the element at `index` to a string.
    ///
    /// # Errors
    /// Returns [`NotRepresentable`] unless the tensor holds strings.
    pub fn put_text(&mut self, index: usize, text: &str) -> Result<(), NotRepresentable> {
        if let Self::Text(vector) = self {
            text.clone_into(&mut vector[index]);
            Ok(())
        } else {
            Err(NotRepresentable)
        }
    }

    /// Sets the element at `index` to NaN, which represents a missing value.
    ///
    /// # Errors
    /// Returns [`NotRepresentable`] unless the tensor is floating-point.
    pub fn put_nan(&mut self, index: usize) -> Result<(), NotRepresentable> {
        match self {
            Self::BF16(vector) => vector[index] = bf16::NAN,
            Self::F16(vector) => vector[index] = f16::NAN,
            Self::F32(vector) => vector[index] = f32::NAN,
            Self::F64(vector) => vector[index] = f64::NAN,
            _ => return Err(NotRepresentable),
        }
        Ok(())
    }
}

/// A tensor: shape and elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The dimensions, including the batch axis if there is one.
    pub shape: Vec<usize>,
    /// The elements in row-major order; their number is the product of the dimensions.
    pub buffer: Buffer,
}

/// The inputs of one run, in graph order.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// One tensor per graph input.
    pub tensors: Vec<Tensor>,
    /// Number of instances (rows).
    pub rows: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_or_are_refused() {
        let cases: &[(ElementType, Number, bool)] = &[
            (ElementType::F32, Number::from(1e39), false),
            (ElementType::F32, Number::from(0.1), true),
            (ElementType::F32, Number::from(f64::from(f32::MAX)), true),
            (ElementType::F32, Number::from(3.402_823_5e38), true),
            (ElementType::F16, Number::from(70_000_u64), false),
            (ElementType::F16, Number::from(-65_520.0_f64.next_down()), true),
            (ElementType::F16, Number::from(-65_520.0), false),
            (ElementType::BF16, Number::from(70_000_u64), true),
            (ElementType::BF16, Number::from(3.4e38), false),
            (ElementType::I8, Number::from(128_u64), false),
            (ElementType::I8, Number::from(-128_i64), true),
            (ElementType::I64, Number::from(u64::MAX), false),
            (ElementType::I64, Number::from(i64::MIN), true),
            (ElementType::I64, Number::from(9_007_199_254_740_994.0), false),
            (ElementType::I64, Number::from(9_007_199_254_740_993_u64), true),
            (ElementType::I32, Number::from(1.5), false),
            (ElementType::I32, Number::from(2.0), true),
            (ElementType::U8, Number::from(-1_i64), false),
            (ElementType::U64, Number::from(u64::MAX), true),
            (ElementType::Bool, Number::from(1_u64), true),
            (ElementType::Bool, Number::from(2_u64), false),
            (ElementType::Text, Number::from(1_u64), false),
        ];
        for (element, number, fits) in cases {
            let mut buffer = Buffer::zeros(*element, 1);
            assert_eq!(buffer.put_number(0, *number).is_ok(), *fits, "{number} into {element}");
        }
    }
}
