//! Where a request comes from, for what one address may have at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::{
    extract::{FromRequestParts, Request},
    http::request::Parts,
};

/// The other end of a connection; set by the accept loop.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// An address as limits count it: an IPv4 address, or the network of an IPv6 one (a household has 2^64 of those).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            other => other,
        })
    }
}

impl Origin {
    /// Of a request. Behind a proxy on this machine, the last address that the proxy wrote into `X-Forwarded-For`;
    /// what stands before it comes from the client and may be anything.
    pub fn of(request: &Request, behind_proxy: bool) -> Self {
        let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
        let forwarded = || {
            let last = request.headers().get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
            last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
        };
        let proxied = if behind_proxy && peer.is_loopback() { forwarded() } else { None };
        Self::from(proxied.unwrap_or(peer))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = std::convert::Infallible;

    /// As [`super::limit`] has found it.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Origin>().copied();
        Ok(known.unwrap_or_else(|| Self::from(IpAddr::V4(Ipv4Addr::LOCALHOST))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn proxies_are_believed_on_this_machine_where_one_was_named() {
        let of = |peer: &str, forwarded: &str, behind: bool| {
            let mut request = Request::builder();
            if !forwarded.is_empty() {
                request = request.header("x-forwarded-for", forwarded);
            }
            let mut request = request.body(Body::empty()).unwrap();
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
            Origin::of(&request, behind).0.to_string()
        };
        assert_eq!(of("127.0.0.1", "10.0.0.9, 10.0.0.7", true), "10.0.0.7");
        assert_eq!(of("127.0.0.1", "10.0.0.7", false), "127.0.0.1");
        assert_eq!(of("10.1.1.1", "10.0.0.7", true), "10.1.1.1");
        assert_eq!(of("127.0.0.1", "nonsense", true), "127.0.0.1");
        assert_eq!(of("127.0.0.1", "", true), "127.0.0.1");
        // One network of IPv6 counts as one, and a mapped address as what it is.
        assert_eq!(of("2001:db8:1:2:3:4:5:6", "", false), of("2001:db8:1:2:ffff::1", "", false));
        assert_eq!(of("::ffff:10.0.0.3", "", false), "10.0.0.3");
        assert_eq!(of("::1", "", false), "::1");
    }
}
