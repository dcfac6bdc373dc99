//! W3C Trace Context: parses and writes `traceparent`. `tracestate` is ignored: nothing here passes a trace on.
//!
//! Specification: <https://www.w3.org/TR/trace-context/>. An invalid header is treated as absent. This file exports no
//! traces.

use std::fmt;

/// The position of a request in a trace that the client started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace id, the same in every span of the trace.
    pub trace_id: TraceId,
    /// The parent span: that of the client, or our own after [`TraceContext::child_span`].
    pub parent_id: u64,
    /// Whether the client samples this trace.
    pub sampled: bool,
}

/// A trace id: 32 lower-case hex digits, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// The 32 hex digits.
    pub fn as_str(&self) -> &str {
        // The constructor accepts hex digits only, so the conversion cannot fail.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TraceId({self})")
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl TraceContext {
    /// Parses the header. Returns `None` if it is invalid.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let version = hex(traceparent.get(..2)?)?;
        let rest = match traceparent.len() {
            55 => traceparent,
            // Later versions may append fields after a dash; version 00 has none.
            56.. if version != 0 && traceparent.as_bytes()[55] == b'-' => traceparent.get(..55)?,
            _ => return None,
        };
        let mut fields = rest.get(2..)?.strip_prefix('-')?.split('-');
        let (trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?);
        if version == 0xff || fields.next().is_some() || flags.len() != 2 {
            return None;
        }
        let trace_id = TraceId(trace.as_bytes().try_into().ok()?);
        let (high, low) = (hex(trace.get(..16)?)?, hex(trace.get(16..)?)?);
        let parent_id = hex(parent).filter(|id| parent.len() == 16 && *id != 0)?;
        if high | low == 0 {
            return None;
        }
        Some(Self { trace_id, parent_id, sampled: hex(flags)? & 1 == 1 })
    }

    /// Returns the context to propagate: the same trace, with our span as the parent.
    #[must_use]
    pub fn child_span(&self, span_id: u64) -> Self {
        Self { parent_id: span_id, ..*self }
    }
}

/// Writes the value of `traceparent` in version 00. Flags that this version does not define are not propagated, as the
/// specification requires.
impl fmt::Display for TraceContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(out, "00-{}-{:016x}-{flags:02x}", self.trace_id, self.parent_id)
    }
}

/// Parses lower-case hex digits only; `from_str_radix` would also accept `+` and `F`.
fn hex(digits: &str) -> Option<u64> {
    let lower = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let fits = !digits.is_empty() && digits.bytes().all(lower);
    fits.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn traceparent_is_read_strictly() {
        let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        let zero = "00000000000000000000000000000000-00f067aa0ba902b7";
        let cases = [
            (GOOD.to_owned(), Some(true)),
            (format!("00-{ids}-00"), Some(false)),
            (format!("00-{ids}-02"), Some(false)),
            (format!("00-{ids}-ff"), Some(true)),
            (format!("cc-{ids}-01"), Some(true)),
            (format!("cc-{ids}-01-what-the-future-adds"), Some(true)),
            (format!("cc-{ids}-01."), None),
            (format!("00-{ids}-01-more"), None),
            (format!("ff-{ids}-01"), None),
            (format!("00-{zero}-01"), None),
            (format!("00-{}-01", ids.replace("00f067aa0ba902b7", &"0".repeat(16))), None),
            (GOOD.to_uppercase(), None),
            (format!("00-{}-01", ids.replace('f', "+")), None),
            (format!("0g-{ids}-01"), None),
            (format!("00-{ids}-0"), None),
            (format!("00-{ids}-é"), None),
            (format!(" {GOOD}"), None),
            (GOOD.replace('-', "_"), None),
            (format!("00-{}-01", ids.replace("6-0", "60-")), None),
            (String::new(), None),
            ("é".repeat(30), None),
        ];
        for (header, wanted) in cases {
            let got = TraceContext::parse(&header).map(|c| c.sampled);
            assert_eq!(got, wanted, "{header}");
        }
    }

    #[test]
    fn a_child_keeps_the_trace() {
        let context = TraceContext::parse(GOOD).expect("it is well-formed");
        assert_eq!(context.to_string(), GOOD);
        assert_eq!(context.trace_id.as_str(), &GOOD[3..35]);
        let child = context.child_span(0xab);
        assert_eq!(child.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ab-01");
    }
}
