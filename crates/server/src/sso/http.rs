//! One request to the provider: name, connection, request and the whole answer within one time limit. Redirects are not followed.

use super::config::is_safe;
use crate::{
    limits::{MAX_SSO_ANSWER_BYTES, SSO_TIMEOUT_MS},
    tls,
};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, Request, Response, header},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use url::Url;

/// Longest head of an answer, bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Sends requests to the provider.
pub(super) struct HttpClient {
    tls: TlsConnector,
    provider_is_local: bool,
}

impl HttpClient {
    /// With the roots that this machine trusts. Without TLS it only sends to this machine, and only if the provider is there.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(provider_is_local: bool) -> io::Result<Self> {
        let config = tls::client_config(tls::native_roots()).map_err(io::Error::other)?;
        Ok(Self { tls: TlsConnector::from(config), provider_is_local })
    }

    /// Sends one request.
    ///
    /// # Errors
    /// If the address is not one to which secrets may be sent, the provider does not answer in time, or its answer is too long.
    pub async fn send(&self, request: Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> {
        let answer = timeout(Duration::from_millis(SSO_TIMEOUT_MS), self.try_to_send(request)).await;
        answer.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time")))
    }

    async fn try_to_send(&self, request: Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> {
        let url = Url::parse(&request.uri().to_string()).map_err(io::Error::other)?;
        let (true, Some(host), Some(port)) =
            (is_safe(&url, self.provider_is_local), url.host_str(), url.port_or_known_default())
        else {
            return Err(io::Error::other("the address is not https"));
        };
        // As sockets and certificates have it: IPv6 without brackets.
        let host = host.trim_matches(['[', ']']).to_owned();
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let target = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let (mut parts, body) = request.into_parts();
        parts.uri = target.parse().map_err(io::Error::other)?;
        parts.headers.insert(header::HOST, HeaderValue::from_str(&authority).map_err(io::Error::other)?);
        let request = Request::from_parts(parts, Body::from(body));
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        if url.scheme() != "https" {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        exchange(self.tls.connect(name, stream).await?, request).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> io::Result<Response<Vec<u8>>> {
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD_BYTES);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Ends with this function, also if that is cancelled.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let (parts, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
    let body = to_bytes(Body::new(body), MAX_SSO_ANSWER_BYTES).await.map_err(io::Error::other)?;
    Ok(Response::from_parts(parts, body.to_vec()))
}
