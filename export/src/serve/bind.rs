//! The listener: which address, and which port not.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use tokio::net::{TcpListener, TcpSocket};

use super::explained;
use super::limits::BACKLOG;

/// The ports that browsers do not connect to: the "bad ports" of the Fetch standard, without 0.
#[rustfmt::skip]
const BLOCKED: [u16; 82] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
    995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
    6669, 6679, 6697, 10080,
];

/// The addresses to try.
pub(super) fn resolve(addresses: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let resolved = addresses.to_socket_addrs();
    let cannot = |error| explained("cannot resolve the address to serve on", error);
    let resolved: Vec<_> = resolved.map_err(cannot)?.collect();
    if resolved.is_empty() {
        return Err(invalid("the address to serve on resolves to nothing"));
    }
    Ok(resolved)
}

/// Listens on the first of the addresses that can be bound.
pub(super) fn bind(addresses: &[SocketAddr]) -> io::Result<(TcpListener, SocketAddr)> {
    let mut failed = invalid("no address to serve on");
    for address in addresses {
        match bind_to(*address) {
            Ok(bound) => return Ok(bound),
            Err(error) => failed = explained(format!("cannot serve on {address}"), error),
        }
    }
    Err(failed)
}

fn bind_to(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let port = address.port();
    if BLOCKED.contains(&port) {
        return Err(invalid(format!(
            "browsers block port {port}: choose another"
        )));
    }
    let mut blocked = Vec::new();
    loop {
        let listener = listen(address)?;
        let bound = listener.local_addr()?;
        if !BLOCKED.contains(&bound.port()) {
            return Ok((listener, bound));
        }
        // The system chose the port. It chooses another as long as this one is taken.
        blocked.push(listener);
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // As the standard library does: a server that is started again gets its port at once.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}
