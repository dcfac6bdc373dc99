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
    MalformedJson, "malformed_json", "The body is not JSON",
        "The body could not be read as JSON; the detail names the line and the column.",
        "Send one JSON object in UTF-8. NaN, Infinity, lone surrogates and nesting past 32 levels are not accepted.";
    DataContractViolation, "data_contract_violation", "The request does not keep the data contract",
        "The body is JSON, but not an instance that the model's contract admits. Every violation is listed with its place.",
        "Correct the members that `errors` names. The contract is at GET /models/{model}/contract.";
    InvalidHeader, "invalid_header", "A header has a value that cannot be used",
        "A header that the server acts on could not be read; the detail names it.",
        "Correct the header, or leave it out: each of them has a default.";
    Unauthenticated, "unauthenticated", "The caller is not known",
        "This server asks for a bearer token, and the request had none, or one that is not known.",
        "Send `Authorization: Bearer <token>` with a token that the operator gave you.";
    Forbidden, "forbidden", "The token does not cover this",
        "The token is known, and does not cover what was asked for: a model, or the metrics.",
        "Ask the operator for a token that covers it.";
    UnknownModel, "unknown_model", "There is no such model",
        "No model of this name is served. The detail lists those that are.",
        "Use one of the names at GET /models, or set `repository.default_model` for /predict.";
    UnknownVersion, "unknown_version", "The model has no such version",
        "The model is served, but not at the version that was asked for. The detail lists those that are.",
        "Use one of the versions at GET /models/{model}, or leave the version out.";
    NotFound, "not_found", "There is nothing at this path",
        "The path is none of the server's routes.",
        "GET / lists what is served.";
    MethodNotAllowed, "method_not_allowed", "The path does not take this method",
        "The path exists, but not for this method; the Allow header lists those it takes.",
        "Predictions are asked for with POST, everything else with GET.";
    NotAcceptable, "not_acceptable", "The answer is not to be had in this form",
        "The Accept header rules out every form that this route can answer in.",
        "Accept `application/json`, or leave the header out.";
    BodyTimeout, "body_timeout", "The body did not arrive in time",
        "The body was announced, and did not arrive within `http.body_timeout_ms`.",
        "Send the whole body at once; look for a slow or broken connection.";
    BodyTooLarge, "body_too_large", "The body is too large",
        "The body, after decompression, is larger than `http.max_body_bytes`.",
        "Send one instance a request. An operator can raise the limit.";
    UnsupportedMediaType, "unsupported_media_type", "The body has another type than JSON",
        "The Content-Type is missing, or is not `application/json`.",
        "Send `Content-Type: application/json`.";
    UnsupportedEncoding, "unsupported_encoding", "The body is compressed in a way that is not known",
        "The Content-Encoding is none of identity, gzip and zstd, or the body is not what it says.",
        "Send the body plain, or compressed with gzip or zstd.";
    AnswerTooLarge, "answer_too_large", "The model's answer is too large",
        "The model answers this instance with more than fits into `http.max_answer_bytes`.",
        "Ask for less, where the instance decides the size of the answer. An operator can raise the limit.";
    RateLimited, "rate_limited", "The caller sends too many requests",
        "The caller used up its share; the answer's headers say when there is more.",
        "Wait as long as Retry-After says, and send more slowly.";
    InferenceFailed, "inference_failed", "The model failed on this input",
        "ONNX Runtime reported a failure while it ran the graph. The log has the operator and the node that failed, under the \
         request id; the whole message, which may quote features, is logged at the level debug only.",
        "Look the request id up in the log; tighten the contract so that such inputs are refused.";
    NonFiniteOutput, "non_finite_output", "The model answered with a value that is not a number",
        "An output of the graph is NaN or infinite; such a value is never passed on.",
        "Look the request id up in the log; tighten the contract so that such inputs are refused.";
    InvalidProbabilities, "invalid_probabilities", "The model answered with invalid probabilities",
        "The output that the contract calls probabilities holds values outside 0 to 1, or values that do not sum to 1; such \
         values are never passed on.",
        "Look the request id up in the log. The operator can correct `x-output` in contract.json (`logits` for logits, the task \
         `tensors` for other scores), or export the model with probabilities.";
    Internal, "internal", "The server failed",
        "Something went wrong that is not the request's fault. The log has the cause, under the request id.",
        "Report it with the request id.";
    Overloaded, "overloaded", "The server has more work than it can do in time",
        "The queue is full, or what waits in it could not be worked off before the request's deadline; the request was refused \
         at once.",
        "Retry after the time that Retry-After gives, with some jitter.";
    NotReady, "not_ready", "The model is not ready",
        "The model, or this version of it, is loading, or could not be loaded; the detail says why.",
        "Retry later; an operator finds the reason at GET /models/{model} and in the log.";
    Draining, "draining", "The server is shutting down",
        "The server has been told to stop and takes no new requests.",
        "Retry: another instance, or the next one, will answer.";
    DeadlineExceeded, "deadline_exceeded", "The answer was not ready in time",
        "The request's deadline passed before there was an answer, and its work was dropped; or it leaves less time than a row \
         takes on an idle server, and the request was refused at once. The detail says which.",
        "Give it more time with x-deadline-ms, up to the model's own limit, or retry when there is less load.";
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
