//! Connections: they are accepted, answer one request, and end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::host;
use super::limits;
use super::slots::{Slot, Slots, until};
use crate::axum::refusal;

/// What all connections share.
struct Site {
    router: TowerToHyperService<Router>,
    bound: IpAddr,
    answers: Slots,
}

/// What a connection has.
struct Client {
    site: Arc<Site>,
    cut: Arc<Notify>,
    /// Of its answer, from when it is rendered until it is written.
    answering: OnceLock<Arc<Slot>>,
}

/// Accepts connections, for ever.
pub(super) async fn accept_all(listener: TcpListener, router: Router, bound: IpAddr) -> Infallible {
    let site = Arc::new(Site {
        router: TowerToHyperService::new(router),
        bound,
        answers: Slots::new(limits::ANSWERS),
    });
    let connections = Slots::new(limits::CONNECTIONS);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let client = Client {
                    site: Arc::clone(&site),
                    cut: Arc::default(),
                    answering: OnceLock::new(),
                };
                let slot = connections.take(&client.cut).await;
                tokio::spawn(async move {
                    let _slot = slot;
                    let cut = Arc::clone(&client.cut);
                    let conversation = converse(stream, client);
                    until(&cut, timeout(limits::CONNECTION_AGE, conversation)).await;
                });
            }
            Err(error) if is_of_client(&error) => {}
            // Probably no file descriptor is left. The connection is still there at the next try.
            Err(_) => sleep(limits::ACCEPT_PAUSE).await,
        }
        // In a flood of connections each gets its turn before the next is accepted.
        tokio::task::yield_now().await;
    }
}

/// Whether the connection failed, and not the listener.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Reads one request and answers it.
async fn converse(stream: TcpStream, client: Client) {
    let client = Arc::new(client);
    let service = {
        let client = Arc::clone(&client);
        service_fn(move |request| Box::pin(Arc::clone(&client).answer(request)))
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADERS_TIMEOUT)
        .max_buf_size(limits::HEADERS_BYTES)
        .max_headers(limits::HEADERS)
        .keep_alive(false)
        // A client may close its side once it has asked.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    // What fails here was the client's fault, and has been answered if that is possible.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    // The answer is written: another may begin.
    drop(client);
    let _ = timeout(limits::LINGER, linger(stream)).await;
}

/// Says that nothing more comes, and waits until the client does so too.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await?;
    let mut rest = [0; 4_096];
    let mut thrown_away = 0;
    while thrown_away < limits::LINGER_BYTES {
        stream.readable().await?;
        match stream.try_read(&mut rest) {
            Ok(0) => break,
            Ok(read) => thrown_away += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Client {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response, Infallible> {
        let (version, target, headers) = (request.version(), request.uri(), request.headers());
        if let Err(status) = host::check(version, target, headers, self.site.bound) {
            return Ok(refusal(status));
        }
        let answers = &self.site.answers;
        let slot = answers.take_in_turn(&self.cut, limits::ANSWER_PATIENCE);
        if let Some(slot) = slot.await {
            let _ = self.answering.set(slot);
        }
        // Nobody reads the body.
        let request = request.map(|_| Body::empty());
        self.site.router.call(request).await
    }
}
