//! Fingerprints validated inputs: under one contract, equal inputs have equal fingerprints.

use crate::domain::{
    contract::Contract,
    tensor::{Buffer, Inputs},
};

/// Initial buffer capacity in bytes, enough for the inputs of a small model.
const ELEMENT_BYTES: usize = 256;

/// Computes the fingerprints of one contract's inputs. The contract is hashed once, at construction, not for every
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputHasher {
    key: [u8; 32],
}

impl InputHasher {
    /// Creates a hasher for this contract, whose id is `contract_id`.
    ///
    /// The key is the BLAKE3 hash of the contract's id and the tensor names, each prefixed with its length.
    pub fn new(contract: &Contract, contract_id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for text in std::iter::once(contract_id).chain(contract.inputs.iter().map(|plan| plan.name.as_str())) {
            hasher.update(&text.len().to_le_bytes()).update(text.as_bytes());
        }
        Self { key: *hasher.finalize().as_bytes() }
    }

    /// Returns the fingerprint of one instance's inputs: 32 hexadecimal digits.
    ///
    /// It is the keyed BLAKE3 hash of the dimensions and elements of each tensor, in the contract's order, truncated to
    /// 128 bits. Numbers are little-endian, texts are prefixed with their lengths.
    pub fn of(&self, inputs: &Inputs) -> String {
        let mut bytes = Vec::with_capacity(ELEMENT_BYTES);
        for tensor in &inputs.tensors {
            for size in &tensor.shape {
                bytes.extend_from_slice(&size.to_le_bytes());
            }
            append(&mut bytes, &tensor.buffer);
        }
        blake3::keyed_hash(&self.key, &bytes).to_hex()[..32].to_owned()
    }
}

fn append(bytes: &mut Vec<u8>, buffer: &Buffer) {
    match buffer {
        Buffer::BF16(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::F16(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::F32(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::F64(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::I8(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::I16(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::I32(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::I64(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::U8(values) => bytes.extend_from_slice(values),
        Buffer::U16(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::U32(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::U64(values) => bytes.extend_from_slice(bytemuck::cast_slice(values)),
        Buffer::Bool(values) => bytes.extend(values.iter().copied().map(u8::from)),
        Buffer::Text(values) => {
            for value in values {
                bytes.extend_from_slice(&value.len().to_le_bytes());
                bytes.extend_from_slice(value.as_bytes());
            }
        }
    }
}
