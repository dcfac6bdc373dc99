//! Errors of the `object_store` crate in short: what the store answered, or the innermost cause.

use std::error::Error;

use object_store::Error as ClientError;

use super::store_error::StoreError;

/// Converts an error of the client.
pub(super) fn store_error(error: &ClientError) -> StoreError {
    let detail = describe(error);
    match (error, status(&error.to_string())) {
        (ClientError::NotFound { .. }, _) | (_, Some(404)) => StoreError::NotFound { detail },
        (ClientError::PermissionDenied { .. } | ClientError::Unauthenticated { .. }, _) | (_, Some(401 | 403)) => {
            StoreError::Denied { detail }
        }
        (ClientError::Precondition { .. } | ClientError::NotModified { .. }, _) => StoreError::Changed,
        _ => StoreError::Failed { detail },
    }
}

/// The status of an HTTP answer. The client has a variant for it, but not for listings.
fn status(text: &str) -> Option<u16> {
    text.split_once(" status code: ")?.1.get(..3)?.parse().ok()
}

/// The request that failed and its cause. The client's own text has the cause several times, and its retries.
fn describe(error: &ClientError) -> String {
    let text = error.to_string();
    let cause = answer(&text).unwrap_or_else(|| innermost(error));
    match request(&text) {
        Some(request) => format!("{request}: {cause}"),
        None => cause,
    }
}

/// The code and the message in the XML that stores answer with.
fn answer(text: &str) -> Option<String> {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.trim().to_owned())
    };
    Some(format!("{}: {}", element("Code")?, element("Message")?))
}

/// The method and the URL without its query, of `Error performing GET http://… in 5ms …`. Another such text, with the
/// kind of the request, may come first.
fn request(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("Error performing ")?;
    let (method, rest) = rest.split_once(' ')?;
    let url = rest.split_once(' ')?.0.split('?').next()?;
    Some(format!("{method} {url}"))
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_shortened_to_the_request_and_its_cause() {
        const ANSWER: &str = "Error performing GET http://127.0.0.1:1/models?list-type=2 in 1.2ms - Server returned \
            non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error>\n  <Code>AccessDenied</Code>\n  \
            <Message>Access Denied</Message>\n</Error>";
        const REFUSED: &str = "Error performing PUT https://models.s3.amazonaws.com/a in 1s, after 3 retries, \
            max_retries: 3, retry_timeout: 5s  - HTTP error: error sending request";
        let wrapped = |text: &str| Box::new(std::io::Error::other(text.to_owned()));
        let (path, source) = ("a".to_owned(), wrapped(ANSWER));
        let cases = [
            (
                ClientError::PermissionDenied { path, source },
                "access was denied: GET http://127.0.0.1:1/models: AccessDenied: Access Denied",
            ),
            (
                ClientError::Generic {
                    store: "S3",
                    source: wrapped(&format!("Error performing list request: {ANSWER}")),
                },
                "access was denied: GET http://127.0.0.1:1/models: AccessDenied: Access Denied",
            ),
            (
                ClientError::Generic { store: "S3", source: wrapped(REFUSED) },
                "PUT https://models.s3.amazonaws.com/a: Error performing",
            ),
            (ClientError::NotImplemented { operation: "put".into(), implementer: "S3".into() }, "not yet implemented"),
        ];
        for (error, expected) in cases {
            let text = store_error(&error).to_string();
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
