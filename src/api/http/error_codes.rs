//! The error codes of HTTP: those that only HTTP has, and how each code of the service is sent and resolved over HTTP.

use crate::domain::error_code::{ErrorCode, ProtocolCode};

/// A header has an invalid value.
pub(super) const INVALID_HEADER: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
    text: "invalid_header",
    title: "A header has an invalid value",
    meaning: "A header that the server uses could not be parsed; the detail names it.",
    remedy: "Correct the header, or omit it: each header has a default.",
    status: 400,
});

/// No route matches the path.
pub(super) const NOT_FOUND: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
    text: "not_found",
    title: "No route matches the path",
    meaning: "The server has no route for this path.",
    remedy: "GET / lists the routes.",
    status: 404,
});

/// The path does not support this method.
pub(super) const METHOD_NOT_ALLOWED: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
    text: "method_not_allowed",
    title: "The path does not support this method",
    meaning: "The path exists, but does not support this method; the Allow header lists the methods that it \
              supports.",
    remedy: "Use POST for predictions, and GET for everything else.",
    status: 405,
});

/// The response is not available in the requested format.
pub(super) const NOT_ACCEPTABLE: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
    text: "not_acceptable",
    title: "The response is not available in the requested format",
    meaning: "The Accept header excludes every media type that this route can return.",
    remedy: "Accept `application/json`, or omit the header.",
    status: 406,
});

/// The body did not arrive in time.
pub(super) const BODY_TIMEOUT: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
    text: "body_timeout",
    title: "The body did not arrive in time",
    meaning: "The body was announced, but did not arrive completely within `http.body_timeout_ms`.",
    remedy: "Send the whole body at once; check for a slow or broken connection.",
    status: 408,
});

/// The body is too large.
pub(super) const BODY_TOO_LARGE: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
    text: "body_too_large",
    title: "The body is too large",
    meaning: "The body, after decompression, is larger than `http.max_body_bytes`.",
    remedy: "Send one instance per request. An operator can raise the limit.",
    status: 413,
});

/// The content type of the body is not JSON.
pub(super) const UNSUPPORTED_MEDIA_TYPE: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
    text: "unsupported_media_type",
    title: "The content type of the body is not JSON",
    meaning: "The Content-Type is missing, or is not `application/json`.",
    remedy: "Send `Content-Type: application/json`.",
    status: 415,
});

/// The content encoding of the body is not supported.
pub(super) const UNSUPPORTED_ENCODING: ErrorCode = ErrorCode::Protocol(&ProtocolCode {
    text: "unsupported_encoding",
    title: "The content encoding of the body is not supported",
    meaning: "The Content-Encoding is not identity, gzip or zstd, or the body does not match it.",
    remedy: "Send the body uncompressed, or compressed with gzip or zstd.",
    status: 415,
});

const OF_HTTP: [ErrorCode; 8] = [
    INVALID_HEADER,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    UNSUPPORTED_ENCODING,
];

/// Every code, by status.
pub fn error_codes() -> Vec<ErrorCode> {
    let mut codes: Vec<ErrorCode> = ErrorCode::SHARED.iter().copied().chain(OF_HTTP).collect();
    codes.sort_by_key(|code| status(*code));
    codes
}

/// Returns the HTTP status of an error code. The only place that maps codes to statuses.
pub fn status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::Protocol(code) => code.status,
        ErrorCode::MalformedJson | ErrorCode::DataContractViolation => 400,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::Forbidden => 403,
        ErrorCode::UnknownModel | ErrorCode::UnknownVersion => 404,
        ErrorCode::AnswerTooLarge => 422,
        ErrorCode::RateLimited => 429,
        ErrorCode::InferenceFailed
        | ErrorCode::NonFiniteOutput
        | ErrorCode::InvalidProbabilities
        | ErrorCode::Internal => 500,
        ErrorCode::Overloaded | ErrorCode::NotReady | ErrorCode::Draining => 503,
        ErrorCode::DeadlineExceeded => 504,
    }
}

/// Returns what a client over HTTP, or its operator, can do about an error code.
pub(super) fn remedy(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Protocol(code) => code.remedy,
        ErrorCode::MalformedJson => {
            "Send one JSON object in UTF-8. NaN, Infinity, lone surrogates and nesting deeper than 32 levels are not \
             accepted."
        }
        ErrorCode::DataContractViolation => {
            "Correct the members that `errors` names. The contract is at GET /models/{model}/contract."
        }
        ErrorCode::Unauthenticated => "Send `Authorization: Bearer <token>` with a token that the operator gave you.",
        ErrorCode::Forbidden => "Ask the operator for a token that grants access.",
        ErrorCode::UnknownModel => {
            "Use one of the names at GET /models, or set `repository.default_model` for /predict."
        }
        ErrorCode::UnknownVersion => "Use one of the versions at GET /models/{model}, or omit the version.",
        ErrorCode::AnswerTooLarge => {
            "Request less, if the instance determines the size of the answer. An operator can raise the limit."
        }
        ErrorCode::RateLimited => "Wait for the time given in Retry-After, and send requests more slowly.",
        ErrorCode::InferenceFailed | ErrorCode::NonFiniteOutput => {
            "Look the request id up in the log; tighten the contract so that such inputs are rejected."
        }
        ErrorCode::InvalidProbabilities => {
            "Look the request id up in the log. The operator can correct `x-output` in contract.json (`logits` for \
             logits, the task `tensors` for other scores), or export the model with probabilities."
        }
        ErrorCode::Internal => "Report the error with the request id.",
        ErrorCode::Overloaded => "Retry after the time given in Retry-After, with some jitter.",
        ErrorCode::NotReady => "Retry later; the operator can find the reason at GET /models/{model} and in the log.",
        ErrorCode::Draining => "Retry: another server, or this one after its restart, will answer.",
        ErrorCode::DeadlineExceeded => {
            "Allow more time with x-deadline-ms, up to the model's own limit, or retry when the load is lower."
        }
    }
}
