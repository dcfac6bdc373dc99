//! The context of a request, which the service passes to the handlers.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
};

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

use super::{super::transport::Connection, problem};
use crate::{
    security::Principal,
    serving::{RequestRecord, ServeError},
};

/// The context of one request, from its head until its response is handed over.
pub(super) struct RequestContext {
    pub(super) record: RequestRecord,
    pub(super) connection: Arc<Connection>,
    visibility: OnceLock<ModelVisibility>,
}

impl RequestContext {
    pub(super) fn new(record: RequestRecord, connection: Arc<Connection>) -> Self {
        Self { record, connection, visibility: OnceLock::new() }
    }

    pub(super) fn request_id(&self) -> &Arc<str> {
        &self.record.meta.request_id
    }

    /// Sets the result of the access check. Later calls have no effect on it.
    pub(super) fn set_visibility(&self, visibility: ModelVisibility) {
        if let ModelVisibility::Of(caller) = &visibility {
            self.record.set_caller(Arc::clone(&caller.name));
        }
        let _ = self.visibility.set(visibility);
    }

    /// Returns which models are visible to the sender; none before the access check.
    pub(super) fn visibility(&self) -> &ModelVisibility {
        self.visibility.get().unwrap_or(&ModelVisibility::Nothing)
    }

    /// Returns the authenticated caller, if there is one.
    pub(super) fn caller(&self) -> Option<&Principal> {
        match self.visibility() {
            ModelVisibility::Of(caller) => Some(caller),
            ModelVisibility::Everything | ModelVisibility::Nothing => None,
        }
    }

    /// Returns the response for a result, and sets an error in the record.
    pub(super) fn respond(&self, result: Result<impl IntoResponse, ServeError>) -> Response {
        result.map_or_else(|error| self.refuse(&error), IntoResponse::into_response)
    }

    /// Returns the response for an error, and sets the error in the record.
    pub(super) fn refuse(&self, error: &ServeError) -> Response {
        self.record.failed(error);
        problem::response(error, self.request_id())
    }
}

/// Which models are visible to the sender of a request.
pub(super) enum ModelVisibility {
    /// All models: the server requires no tokens.
    Everything,
    /// The models that the token of the caller covers.
    Of(Principal),
    /// No models: the sender is not authenticated.
    Nothing,
}

impl ModelVisibility {
    /// Whether this model is visible to the sender.
    pub(super) fn covers(&self, model: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Of(caller) => caller.can_use(model),
            Self::Nothing => false,
        }
    }
}

/// Extracts the context that [`super::HttpService`] inserts into every request.
pub(super) struct Context(pub(super) Arc<RequestContext>);

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context: Option<&Arc<RequestContext>> = parts.extensions.get();
        Ok(Self(Arc::clone(context.expect("every request comes through HttpService, which inserts it"))))
    }
}
