//! The table of error codes: what each means and how to resolve it. Independent of any protocol.

/// Declares each code once: variant, text, title, meaning, remedy.
macro_rules! error_codes {
    ($($variant:ident, $text:literal, $title:literal, $meaning:literal, $remedy:literal;)*) => {
        /// The reason why a request got no prediction.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $(#[doc = $meaning] $variant),* }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as written in responses, logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// A short title, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }

            /// What the code means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// What the client or the operator can do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy),* }
            }
        }
    };
}

error_codes! {
    MalformedJson, "malformed_json", "The body is not valid JSON",
        "The body could not be parsed as JSON; the detail names the line and the column.",
        "Send one JSON object in UTF-8. NaN, Infinity, lone surrogates and nesting deeper than 32 levels are not \
         accepted.";
    DataContractViolation, "data_contract_violation", "The request violates the data contract",
        "The body is JSON, but not an instance that the model's contract accepts. Every violation is listed with its \
         location.",
        "Correct the members that `errors` names. The contract is at GET /models/{model}/contract.";
    InvalidHeader, "invalid_header", "A header has an invalid value",
        "A header that the server uses could not be parsed; the detail names it.",
        "Correct the header, or omit it: each header has a default.";
    Unauthenticated, "unauthenticated", "The caller is not authenticated",
        "This server requires a bearer token, and the request had none or an unknown one.",
        "Send `Authorization: Bearer <token>` with a token that the operator gave you.";
    Forbidden, "forbidden", "The token does not grant access",
        "The token is valid, but does not grant access to the requested resource: a model, or the metrics.",
        "Ask the operator for a token that grants access.";
    UnknownModel, "unknown_model", "The model does not exist",
        "No model of this name is served. The detail lists the models that are served.",
        "Use one of the names at GET /models, or set `repository.default_model` for /predict.";
    UnknownVersion, "unknown_version", "The version does not exist",
        "The model is served, but not in the requested version. The detail lists the versions that are served.",
        "Use one of the versions at GET /models/{model}, or omit the version.";
    NotFound, "not_found", "No route matches the path",
        "The server has no route for this path.",
        "GET / lists the routes.";
    MethodNotAllowed, "method_not_allowed", "The path does not support this method",
        "The path exists, but does not support this method; the Allow header lists the methods that it supports.",
        "Use POST for predictions, and GET for everything else.";
    NotAcceptable, "not_acceptable", "The response is not available in the requested format",
        "The Accept header excludes every media type that this route can return.",
        "Accept `application/json`, or omit the header.";
    BodyTimeout, "body_timeout", "The body did not arrive in time",
        "The body was announced, but did not arrive completely within `http.body_timeout_ms`.",
        "Send the whole body at once; check for a slow or broken connection.";
    BodyTooLarge, "body_too_large", "The body is too large",
        "The body, after decompression, is larger than `http.max_body_bytes`.",
        "Send one instance per request. An operator can raise the limit.";
    UnsupportedMediaType, "unsupported_media_type", "The content type of the body is not JSON",
        "The Content-Type is missing, or is not `application/json`.",
        "Send `Content-Type: application/json`.";
    UnsupportedEncoding, "unsupported_encoding", "The content encoding of the body is not supported",
        "The Content-Encoding is not identity, gzip or zstd, or the body does not match it.",
        "Send the body uncompressed, or compressed with gzip or zstd.";
    AnswerTooLarge, "answer_too_large", "The model's answer is too large",
        "The model's answer to this instance is larger than `http.max_answer_bytes`.",
        "Request less, if the instance determines the size of the answer. An operator can raise the limit.";
    RateLimited, "rate_limited", "The caller sends too many requests",
        "The caller has used up its rate limit; the response headers say when it is available again.",
        "Wait for the time given in Retry-After, and send requests more slowly.";
    InferenceFailed, "inference_failed", "The model failed on this input",
        "ONNX Runtime reported an error while running the graph. The log has the operator and the node that failed, \
         under the request id; the full message, which may quote features, is logged only at level debug.",
        "Look the request id up in the log; tighten the contract so that such inputs are rejected.";
    NonFiniteOutput, "non_finite_output", "The model returned a value that is not a finite number",
        "An output of the graph is NaN or infinite; such values are never returned.",
        "Look the request id up in the log; tighten the contract so that such inputs are rejected.";
    InvalidProbabilities, "invalid_probabilities", "The model returned invalid probabilities",
        "The output that the contract declares as probabilities holds values outside 0 to 1, or values that do not sum \
         to 1; such values are never returned.",
        "Look the request id up in the log. The operator can correct `x-output` in contract.json (`logits` for logits, the task \
         `tensors` for other scores), or export the model with probabilities.";
    Internal, "internal", "Internal server error",
        "An error occurred that the request did not cause. The log has the cause, under the request id.",
        "Report the error with the request id.";
    Overloaded, "overloaded", "The server is overloaded",
        "The queue is full, or the queued work could not be finished before the request's deadline; the request was \
         rejected immediately.",
        "Retry after the time given in Retry-After, with some jitter.";
    NotReady, "not_ready", "The model is not ready",
        "The model, or this version of it, is loading or could not be loaded; the detail says why.",
        "Retry later; the operator can find the reason at GET /models/{model} and in the log.";
    Draining, "draining", "The server is shutting down",
        "The server is shutting down and accepts no new requests.",
        "Retry: another server, or this one after its restart, will answer.";
    DeadlineExceeded, "deadline_exceeded", "The deadline was exceeded",
        "The request's deadline passed before the answer was ready, and its work was dropped; or it leaves less time \
         than a row takes on an idle server, and the request was rejected immediately. The detail says which.",
        "Allow more time with x-deadline-ms, up to the model's own limit, or retry when the load is lower.";
}

impl ErrorCode {
    /// Parses the text form of a code.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_found_by_their_text() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
        assert_eq!(ErrorCode::parse("nothing"), None);
    }
}
