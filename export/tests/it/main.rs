//! What is exported, through the public API.

#[cfg(feature = "json")]
mod json;
mod sidecar;
#[cfg(feature = "axum")]
mod router;
mod text;
