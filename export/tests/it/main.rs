//! What is exported, through the public API.

#[cfg(feature = "json")]
mod json;
mod sidecar;
#[cfg(feature = "axum")]
mod router;
#[cfg(feature = "serve")]
mod serve;
mod text;
