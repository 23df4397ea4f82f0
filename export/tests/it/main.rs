//! What is exported, through the public API.

#[cfg(feature = "serve")]
mod examples;
// It reads /proc.
#[cfg(all(feature = "serve", target_os = "linux"))]
mod flood;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
#[cfg(feature = "prometheus-client")]
mod prometheus_client;
#[cfg(feature = "metrics")]
mod publisher;
#[cfg(feature = "axum")]
mod router;
#[cfg(any(
    feature = "metrics",
    feature = "opentelemetry",
    feature = "prometheus-client"
))]
mod samples;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod service;
#[cfg(feature = "serve")]
mod sidecar;
mod text;
