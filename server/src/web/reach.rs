//! By which names this server may be asked, and as which address people see it.
//!
//! A page of another site can make its own name lead to this machine (DNS rebinding); its browser then sends requests
//! here that look like those of our own pages, but for the name in `Host`. So a server that only this machine can reach
//! answers to its own names alone. A name that is an address cannot be made to lead elsewhere.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::http::{HeaderMap, Uri, header};

/// Longest host name that DNS knows, in bytes.
const NAME_MAX: usize = 253;

/// A host as requests and settings name it: an address, or a name in small letters without its last dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Address(IpAddr),
    Name(String),
}

impl FromStr for Host {
    type Err = String;

    /// Reads a host alone, without port; an IPv6 address with or without brackets.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |l: &str| {
            !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if name.len() > NAME_MAX || !name.split('.').all(is_label) {
            return Err(format!(
                "{text:?} is not a host name: give only a name or an address, such as lab.example"
            ));
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(a)) => write!(f, "[{a}]"),
            Self::Address(IpAddr::V4(a)) => a.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A host with its port, as in `Host` and `Origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    pub host: Host,
    pub port: Option<u16>,
}

impl FromStr for Authority {
    type Err = String;

    /// Reads `host`, `host:port` or `[address]:port`; no user, no zone.
    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((inner, "")) => (inner, None),
            Some((inner, rest)) => (inner, Some(rest.strip_prefix(':').unwrap_or("?"))),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let digits =
            |p: &str| (!p.is_empty() && p.bytes().all(|b| b.is_ascii_digit())).then(|| p.parse().ok());
        let port = match port {
            None => None,
            Some(p) => {
                Some(digits(p).flatten().ok_or_else(|| format!("{text:?} is not a host with a port"))?)
            }
        };
        Ok(Self { host: host.parse()?, port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

/// The address by which people reach the server through a proxy: `https://host[:port][/base]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    pub https: bool,
    /// The port is none where it is the scheme's own.
    pub authority: Authority,
    /// Empty, or begins with a slash and does not end with one.
    pub base: String,
}

impl PublicUrl {
    /// Scheme, host and port, as browsers name an origin.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.authority)
    }

    /// The port that browsers connect to.
    pub fn port(&self) -> u16 {
        self.authority.port.unwrap_or(own_port(self.https))
    }
}

fn own_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{text:?}: {what}; give it as https://host or https://host/base");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("its scheme is neither http nor https")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut authority: Authority = authority.parse().map_err(|e: String| wrong(&e))?;
        authority.port = authority.port.filter(|p| *p != own_port(https));
        let path = path.trim_matches('/');
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        };
        if !path.is_empty() && !path.split('/').all(plain) {
            return Err(wrong("its path may have letters, digits and -._~ between slashes, and no query"));
        }
        let base = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self { https, authority, base })
    }
}

/// Reads an origin, `scheme://host[:port]`; its port is none where it is the scheme's own.
fn origin_of(text: &str) -> Option<(bool, Authority)> {
    let url: PublicUrl = text.parse().ok()?;
    url.base.is_empty().then_some((url.https, url.authority))
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    #[error("The request names no host, or more than one: send one Host header.")]
    Unclear,
    #[error("{host} is not a valid host name: a name or an address, with or without a port, was expected.")]
    Unreadable { host: String },
    #[error(
        "This server does not answer to the name {host}: it answers to {names}. If people reach it by this name, start \
         it with --allow-host {host}; behind a proxy, with --public-url and the address that people see."
    )]
    Unknown { host: String, names: String },
}

/// Names and addresses of a server.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Where it listens.
    pub listens: SocketAddr,
    /// Names that were allowed (`--allow-host`).
    pub names: Vec<Host>,
    pub public: Option<PublicUrl>,
    /// Whether reading is open to people who have not shown the token.
    pub reading_is_open: bool,
}

impl Reach {
    /// A server at `listens` without settings.
    pub fn at(listens: SocketAddr) -> Self {
        Self { listens, names: Vec::new(), public: None, reading_is_open: true }
    }

    /// The path below which people see the server; empty where it is all of its host.
    pub fn base(&self) -> &str {
        self.public.as_ref().map_or("", |p| p.base.as_str())
    }

    /// Checks the name by which a request asks, and returns it.
    ///
    /// # Errors
    /// When it names none, several, or one that is not the server's.
    pub fn admits(&self, uri: &Uri, headers: &HeaderMap) -> Result<Authority, NotOurs> {
        // HTTP/2 and requests in absolute form name it in the address, others in the header; both must be ours.
        let mut asked = uri.authority().map(|a| a.as_str().as_bytes()).into_iter().collect::<Vec<_>>();
        let hosts: Vec<&[u8]> = headers.get_all(header::HOST).iter().map(|h| h.as_bytes()).collect();
        if hosts.len() > 1 || (hosts.is_empty() && asked.is_empty()) {
            return Err(NotOurs::Unclear);
        }
        asked.extend(hosts);
        let mut first = None;
        for text in asked {
            let text = String::from_utf8_lossy(text);
            let authority: Authority =
                text.parse().map_err(|_| NotOurs::Unreadable { host: shown(&format!("{text:?}")) })?;
            if !self.is_ours(&authority.host) {
                return Err(NotOurs::Unknown {
                    host: shown(&authority.host.to_string()),
                    names: self.in_words(),
                });
            }
            first.get_or_insert(authority);
        }
        first.ok_or(NotOurs::Unclear)
    }

    /// Whether a host may be asked for.
    ///
    /// Where others can reach the server and nobody has said by which names they do, every name is: a machine cannot
    /// know what its networks call it. Writing needs the token there, which no other name's page has.
    fn is_ours(&self, host: &Host) -> bool {
        let loopback = self.listens.ip().is_loopback();
        match host {
            Host::Name(name) if name == "localhost" => true,
            Host::Address(a) if !loopback || *a == self.listens.ip() => true,
            Host::Address(a)
                if [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(a) =>
            {
                true
            }
            _ if self.names.contains(host) => true,
            _ if self.public.as_ref().is_some_and(|p| p.authority.host == *host) => true,
            _ => !loopback && self.names.is_empty() && self.public.is_none(),
        }
    }

    /// The names in words.
    fn in_words(&self) -> String {
        let mut all = vec!["localhost".to_owned(), "127.0.0.1".into(), "[::1]".into()];
        if !self.listens.ip().is_loopback() {
            all.push("the addresses of this machine".into());
        }
        let public = self.public.as_ref().map(|p| &p.authority.host);
        all.extend(self.names.iter().chain(public).map(Host::to_string));
        let last = all.pop().unwrap_or_default();
        format!("{} and {last}", all.join(", "))
    }

    /// Whether a page of `origin` is one of this server's, for a request that asked for `host`, which is ours.
    pub fn is_own_origin(&self, origin: &str, host: &Authority) -> bool {
        let Some((https, from)) = origin_of(origin) else { return false };
        let public = self.public.as_ref().is_some_and(|p| (p.https, &p.authority) == (https, &from));
        // A proxy may have taken TLS away: the scheme is not compared.
        let standard = |port: Option<u16>| port.filter(|p| ![80, 443].contains(p));
        public || (from.host == host.host && standard(from.port) == standard(host.port))
    }

    /// Scheme, host and base path by which people see the server, for a request that asked for `host`.
    pub fn seen_as(&self, host: &Authority, headers: &HeaderMap) -> String {
        match &self.public {
            Some(public) => format!("{}{}", public.origin(), public.base),
            None => {
                let https = headers.get("x-forwarded-proto").is_some_and(|p| p == "https");
                format!("{}://{host}", if https { "https" } else { "http" })
            }
        }
    }
}

/// A name that somebody sent, short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Reach {
        Reach::at("127.0.0.1:3000".parse().unwrap())
    }

    fn asks(reach: &Reach, hosts: &[&str]) -> Result<Authority, NotOurs> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        reach.admits(&Uri::from_static("/"), &headers)
    }

    #[test]
    fn loopback_answers_to_its_own_names() {
        for host in
            ["localhost", "127.0.0.1:3000", "[::1]:9", "LOCALHOST:80", "localhost.", "localhost.:3000"]
        {
            assert!(asks(&local(), &[host]).is_ok(), "{host}");
        }
        let foreign =
            ["evil.example", "evil.example:3000", "localhost.evil.example", "10.0.0.1", "127.0.0.2", "[::2]"];
        for host in foreign {
            assert!(matches!(asks(&local(), &[host]), Err(NotOurs::Unknown { .. })), "{host}");
        }
        let second = Reach::at("127.0.0.2:3000".parse().unwrap());
        assert!(asks(&second, &["127.0.0.2:3000"]).is_ok());
    }

    #[test]
    fn what_no_browser_sends_is_no_name() {
        let odd = [
            "",
            "a b",
            "user@localhost",
            "localhost:x",
            "localhost:",
            "localhost:99999",
            "localhost:+80",
            "[::1%25eth0]",
            "[::1]3000",
            "::1:80:",
            "127.0.0.1/",
            "localhost..",
            ".",
            "löcal",
            "[localhost",
            "localhost:80:80",
        ];
        for host in odd {
            let mut headers = HeaderMap::new();
            headers.append(header::HOST, axum::http::HeaderValue::from_bytes(host.as_bytes()).unwrap());
            let answer = local().admits(&Uri::from_static("/"), &headers);
            assert!(matches!(answer, Err(NotOurs::Unreadable { .. })), "{host}: {answer:?}");
        }
        // Numbers that some resolvers take for 127.0.0.1 are names here, and not ours.
        for host in ["127.1", "2130706433", "0x7f.1", "0177.0.0.1"] {
            assert!(matches!(asks(&local(), &[host]), Err(NotOurs::Unknown { .. })), "{host}");
        }
    }

    #[test]
    fn one_request_names_one_host() {
        assert_eq!(asks(&local(), &[]), Err(NotOurs::Unclear));
        assert_eq!(asks(&local(), &["localhost", "localhost"]), Err(NotOurs::Unclear));
        let mut headers = HeaderMap::new();
        let absolute = Uri::from_static("http://localhost:3000/runs");
        assert!(local().admits(&absolute, &headers).is_ok(), "HTTP/2 has no Host header");
        headers.append(header::HOST, "evil.example".parse().unwrap());
        assert!(local().admits(&absolute, &headers).is_err());
        headers.insert(header::HOST, "localhost".parse().unwrap());
        assert!(local().admits(&Uri::from_static("http://evil.example/"), &headers).is_err());
    }

    #[test]
    fn names_that_were_allowed_are_ours_and_the_message_names_the_settings() {
        let mut reach = local();
        reach.names = vec!["Lab.Example".parse().unwrap()];
        reach.public = Some("https://scope.example/ts/".parse().unwrap());
        for host in ["lab.example:81", "LAB.EXAMPLE.", "scope.example", "localhost:3000"] {
            assert!(asks(&reach, &[host]).is_ok(), "{host}");
        }
        let words = asks(&reach, &["evil.example:3000"]).unwrap_err().to_string();
        for part in
            ["evil.example", "--allow-host evil.example", "--public-url", "lab.example and scope.example"]
        {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn where_others_reach_it_every_name_is_taken_until_names_are_given() {
        let mut reach = Reach::at("0.0.0.0:3000".parse().unwrap());
        for host in ["lab.example", "10.1.2.3:3000", "localhost"] {
            assert!(asks(&reach, &[host]).is_ok(), "{host}");
        }
        reach.names = vec!["lab.example".parse().unwrap()];
        assert!(asks(&reach, &["10.1.2.3:3000"]).is_ok(), "an address cannot be made to lead here");
        assert!(asks(&reach, &["evil.example"]).is_err());
    }

    #[test]
    fn origins_are_compared_with_our_names() {
        let mut reach = local();
        let host: Authority = "127.0.0.1:3000".parse().unwrap();
        assert!(reach.is_own_origin("http://127.0.0.1:3000", &host));
        for other in [
            "http://127.0.0.1:8000",
            "http://lab.example:8080",
            "null",
            "",
            "file://",
            "http://127.0.0.1:3000/x",
        ] {
            assert!(!reach.is_own_origin(other, &host), "{other}");
        }
        // A proxy that asks for its own target in place of the name that people see.
        reach.public = Some("http://lab.example:8080/ts".parse().unwrap());
        assert!(reach.is_own_origin("http://lab.example:8080", &host));
        for other in ["https://lab.example:8080", "http://lab.example", "http://lab.example:8081"] {
            assert!(!reach.is_own_origin(other, &host), "{other}");
        }
        reach.public = Some("https://lab.example".parse().unwrap());
        assert!(reach.is_own_origin("https://lab.example", &"lab.example".parse().unwrap()));
        assert!(reach.is_own_origin("https://lab.example:443", &host));
    }

    #[test]
    fn a_public_url_has_scheme_host_and_a_plain_path() {
        let url: PublicUrl = "HTTPS://Scope.Example:443/a/b/".parse().unwrap();
        assert_eq!(
            (url.origin().as_str(), url.base.as_str(), url.port()),
            ("https://scope.example", "/a/b", 443)
        );
        let url: PublicUrl = "http://[::1]:8080".parse().unwrap();
        assert_eq!((url.origin().as_str(), url.base.as_str(), url.port()), ("http://[::1]:8080", "", 8080));
        let wrong = [
            "scope.example",
            "ftp://a",
            "https://",
            "https://a/?x",
            "https://a/b c",
            "https://u@a",
            "https://a/../b",
        ];
        for text in wrong {
            let words = text.parse::<PublicUrl>().unwrap_err();
            assert!(words.contains("https://host/base"), "{words}");
        }
    }
}
