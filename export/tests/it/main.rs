//! What is exported, through the public API.

#[cfg(feature = "json")]
mod json;
#[cfg(feature = "axum")]
mod router;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod sidecar;
mod text;
