//! The listener: which address, and which port not.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use super::explained;

/// The ports that browsers do not connect to: the "bad ports" of the Fetch standard, without 0.
#[rustfmt::skip]
const BLOCKED: [u16; 82] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
    995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
    6669, 6679, 6697, 10080,
];

/// Listens on the first of the addresses that can be bound, without blocking.
pub(super) fn bind(addresses: impl ToSocketAddrs) -> io::Result<(TcpListener, SocketAddr)> {
    let addresses = addresses
        .to_socket_addrs()
        .map_err(|error| explained("cannot resolve the address to serve on", error))?;
    let nothing = "the address to serve on resolves to nothing";
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, nothing);
    for address in addresses {
        match bind_to(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = explained(format!("cannot serve on {address}"), error),
        }
    }
    Err(failed)
}

fn bind_to(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let port = address.port();
    if BLOCKED.contains(&port) {
        let blocked = format!("browsers block port {port}: choose another");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, blocked));
    }
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    if BLOCKED.contains(&bound.port()) {
        // The system chose it. It chooses another as long as this one is taken.
        return bind_to(address);
    }
    listener.set_nonblocking(true)?;
    Ok((listener, bound))
}
