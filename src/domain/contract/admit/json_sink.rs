//! The adapter between serde and the contract: passes each JSON value to a [`JsonSink`].

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

use crate::domain::number::Number;

/// The maximum nesting depth of a request body, counting the body's own object.
pub(in crate::domain::contract) const MAX_DEPTH: usize = 32;

/// A JSON value other than an array or an object.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain::contract) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(&'a str),
}

impl Scalar<'_> {
    pub(in crate::domain::contract) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
        }
    }
}

/// Receives one value of the body. It records violations itself; only malformed JSON is an error.
pub(in crate::domain::contract) trait JsonSink<'de>: Sized {
    fn scalar(self, value: Scalar<'_>);

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error>;

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error>;
}

/// Lets serde deserialize into a [`JsonSink`].
pub(in crate::domain::contract) struct SinkSeed<P>(pub(in crate::domain::contract) P);

impl<'de, P: JsonSink<'de>> DeserializeSeed<'de> for SinkSeed<P> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, P: JsonSink<'de>> Visitor<'de> for SinkSeed<P> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.scalar(Scalar::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.scalar(Scalar::Bool(value));
        Ok(())
    }

    #[inline]
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.scalar(Scalar::Number(Number::Unsigned(value)));
        Ok(())
    }

    #[inline]
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.scalar(Scalar::Number(Number::from(value)));
        Ok(())
    }

    #[inline]
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.scalar(Scalar::Number(Number::Float(value)));
        Ok(())
    }

    #[inline]
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.scalar(Scalar::Text(value));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        self.0.object(object)
    }
}

/// Skips a JSON value; field 0 is its depth.
pub(in crate::domain::contract) struct Skip(pub(in crate::domain::contract) usize);

impl Skip {
    fn next_depth<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.0 >= MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(self.0 + 1)
    }
}

impl<'de> JsonSink<'de> for Skip {
    fn scalar(self, _: Scalar<'_>) {}

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let depth = self.next_depth::<A::Error>()?;
        while list.next_element_seed(SinkSeed(Skip(depth)))?.is_some() {}
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let depth = self.next_depth::<A::Error>()?;
        let mut known = std::collections::HashSet::new();
        while let Some(key) = object.next_key::<String>()? {
            if known.contains(&key) {
                // The message omits the key: it may be long or belong to a sensitive feature.
                return Err(A::Error::custom("the same key appears twice in one object"));
            }
            known.insert(key);
            object.next_value_seed(SinkSeed(Skip(depth)))?;
        }
        Ok(())
    }
}
