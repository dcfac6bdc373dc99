//! The table of error codes: what each means. Independent of any protocol; a protocol adds codes of its own, and says how
//! each is sent and resolved.

/// A reason that only one protocol has, such as a path without a route. The protocol declares it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ProtocolCode {
    /// The code as written in responses, logs and metrics.
    pub text: &'static str,
    /// A short title, the same for every occurrence.
    pub title: &'static str,
    /// What the code means.
    pub meaning: &'static str,
    /// What the client or the operator can do about it.
    pub remedy: &'static str,
    /// The status, in the terms of the protocol.
    pub status: u16,
}

/// Declares each code of the service once: variant, text, title, meaning.
macro_rules! error_codes {
    ($($variant:ident, $text:literal, $title:literal, $meaning:literal;)*) => {
        /// The reason why a request got no prediction.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant,)*
            /// A reason that only one protocol has.
            Protocol(&'static ProtocolCode),
        }

        impl ErrorCode {
            /// The codes that every protocol shares.
            pub const SHARED: &'static [Self] = &[$(Self::$variant),*];

            /// The code as written in responses, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* Self::Protocol(code) => code.text }
            }

            /// A short title, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* Self::Protocol(code) => code.title }
            }

            /// What the code means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* Self::Protocol(code) => code.meaning }
            }
        }
    };
}

error_codes! {
    MalformedJson, "malformed_json", "The body is not valid JSON",
        "The body could not be parsed as JSON; the detail names the line and the column.";
    DataContractViolation, "data_contract_violation", "The request violates the data contract",
        "The body is JSON, but not an instance that the model's contract accepts. Every violation is listed with its \
         location.";
    Unauthenticated, "unauthenticated", "The caller is not authenticated",
        "This server requires a bearer token, and the request had none or an unknown one.";
    Forbidden, "forbidden", "The token does not grant access",
        "The token is valid, but does not grant access to the requested resource: a model, or the metrics.";
    UnknownModel, "unknown_model", "The model does not exist",
        "No model of this name is served. The detail lists the models that are served.";
    UnknownVersion, "unknown_version", "The version does not exist",
        "The model is served, but not in the requested version. The detail lists the versions that are served.";
    AnswerTooLarge, "answer_too_large", "The model's answer is too large",
        "The model's answer to this instance is larger than `http.max_answer_bytes`.";
    RateLimited, "rate_limited", "The caller sends too many requests",
        "The caller has used up its rate limit; the response headers say when it is available again.";
    InferenceFailed, "inference_failed", "The model failed on this input",
        "ONNX Runtime reported an error while running the graph. The log has the operator and the node that failed, \
         under the request id; the full message, which may quote features, is logged only at level debug.";
    NonFiniteOutput, "non_finite_output", "The model returned a value that is not a finite number",
        "An output of the graph is NaN or infinite; such values are never returned.";
    InvalidProbabilities, "invalid_probabilities", "The model returned invalid probabilities",
        "The output that the contract declares as probabilities holds values outside 0 to 1, or values that do not sum \
         to 1; such values are never returned.";
    Internal, "internal", "Internal server error",
        "An error occurred that the request did not cause. The log has the cause, under the request id.";
    Overloaded, "overloaded", "The server is overloaded",
        "The queue is full, or the queued work could not be finished before the request's deadline; the request was \
         rejected immediately.";
    NotReady, "not_ready", "The model is not ready",
        "The model, or this version of it, is loading or could not be loaded; the detail says why.";
    Draining, "draining", "The server is shutting down",
        "The server is shutting down and accepts no new requests.";
    DeadlineExceeded, "deadline_exceeded", "The deadline was exceeded",
        "The request's deadline passed before the answer was ready, and its work was dropped; or it leaves less time \
         than a row takes on an idle server, and the request was rejected immediately. The detail says which.";
}
