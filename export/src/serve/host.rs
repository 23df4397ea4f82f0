//! Whether a request was made for this server: the check against DNS rebinding.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, Uri, Version, header};

/// Refuses a request without one `Host`, and on a loopback address one for another host.
pub(super) fn check(
    version: Version,
    target: &Uri,
    headers: &HeaderMap,
    bound: IpAddr,
) -> Result<(), StatusCode> {
    let mut hosts = headers.get_all(header::HOST).into_iter();
    let host = hosts.next();
    if hosts.next().is_some() || host.is_none() && version >= Version::HTTP_11 {
        return Err(StatusCode::BAD_REQUEST);
    }
    if !is_loopback(bound) {
        return Ok(());
    }
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    // A target may name a host too: `GET http://localhost/metrics`.
    let in_target = target.authority().map(|authority| authority.as_str());
    let mut named = [Some(host), in_target].into_iter().flatten();
    if named.all(|host| is_local(host, bound)) {
        Ok(())
    } else {
        Err(StatusCode::MISDIRECTED_REQUEST)
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a `Host`, with a port or without, is a name of this machine that no other can claim.
fn is_local(host: &str, bound: IpAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]" {
        return true;
    }
    match bound {
        IpAddr::V4(bound) => name == bound.to_string(),
        IpAddr::V6(bound) => name == format!("[{bound}]"),
    }
}
