//! Which hosts may be called: a decision on a parsed URL, pure.
//!
//! It is the same parser ([`url`]) that the transport sends with, so that nothing can look like one host here and be
//! another on the wire.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::ports::TransportError;

/// The hosts that may be called. Everything else is refused before a byte is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList {
    patterns: Vec<HostPattern>,
    loopback: bool,
}

impl AllowList {
    /// The vendors' own domains: every Salesforce org (`*.my.salesforce.com`, and the older `*.salesforce.com`) and
    /// every ServiceNow instance (`*.service-now.com`), by https on the standard port.
    pub fn vendors() -> Self {
        let patterns = ["my.salesforce.com", "salesforce.com", "service-now.com"]
            .into_iter()
            .map(|domain| HostPattern {
                host: PatternHost::Below(domain.to_owned()),
                port: HTTPS_PORT,
            })
            .collect();
        Self {
            patterns,
            loopback: false,
        }
    }

    /// Allows one more host or domain; see [`HostPattern`] for the form.
    #[must_use]
    pub fn and(mut self, pattern: HostPattern) -> Self {
        self.patterns.push(pattern);
        self
    }

    /// Allows loopback addresses, by http and https, on every port: for tests and the demo.
    #[must_use]
    pub fn and_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Whether a request may go to this URL. [`TransportError::Refused`] says which rule refuses it.
    pub fn check(&self, url: &Url) -> Result<(), TransportError> {
        let refuse = |why: &str| {
            Err(TransportError::Refused {
                host: url.host_str().unwrap_or("(none)").to_owned(),
                why: why.to_owned(),
            })
        };
        let Some(host) = url.host() else {
            return refuse("the URL has no host");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the URL holds a user name or password; credentials belong in a Secret");
        }
        if is_loopback(&host) {
            return match url.scheme() {
                "http" | "https" if self.loopback => Ok(()),
                _ => refuse("loopback addresses are allowed only by the operator's flag for tests"),
            };
        }
        if url.scheme() != "https" {
            return refuse("only https is allowed");
        }
        if self.patterns.iter().any(|pattern| pattern.matches(&host, url)) {
            return Ok(());
        }
        match host {
            Host::Domain(_) => refuse(
                "the host is not on the allow-list; if it is right, add it to the operator with --allow-host or SYNCFLOW_ALLOW_HOSTS",
            ),
            Host::Ipv4(_) | Host::Ipv6(_) => refuse(
                "an address instead of a host name is allowed only when it is itself on the allow-list",
            ),
        }
    }
}

const HTTPS_PORT: u16 = 443;

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// A host (`sn.example.com`), every host below a domain (`*.example.com`), or an address (`192.0.2.1`, `[2001:db8::1]`),
/// each with an optional port (`sn.example.com:8443`; 443 without). Always https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: PatternHost,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternHost {
    /// This host or address.
    Exactly(Host<String>),
    /// Any host that ends in a dot and this domain, at any depth (sandboxes have several labels).
    Below(String),
}

impl HostPattern {
    fn matches(&self, host: &Host<&str>, url: &Url) -> bool {
        let host_matches = match (&self.host, host) {
            (PatternHost::Exactly(Host::Domain(allowed)), Host::Domain(name)) => allowed == name,
            (PatternHost::Exactly(Host::Ipv4(allowed)), Host::Ipv4(address)) => allowed == address,
            (PatternHost::Exactly(Host::Ipv6(allowed)), Host::Ipv6(address)) => allowed == address,
            (PatternHost::Below(domain), Host::Domain(name)) => name
                .strip_suffix(domain.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
            _ => false,
        };
        host_matches && url.port_or_known_default() == Some(self.port)
    }
}

/// Why a text is not a [`HostPattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host, a domain (*.example.com) or an address, with an optional :port")]
pub struct InvalidHostPattern(String);

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, InvalidHostPattern> {
        let invalid = || InvalidHostPattern(text.to_owned());
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // The URL parser is the one that will read the URLs: it lower-cases, applies IDNA and normalises addresses.
        let url = Url::parse(&format!("https://{rest}/")).map_err(|_| invalid())?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && !rest.contains(['/', '?', '#', '*']);
        let host = match url.host() {
            Some(host) if bare => host.to_owned(),
            _ => return Err(invalid()),
        };
        let host = match (below, host) {
            (false, host) => PatternHost::Exactly(host),
            // `*.com` would allow most of the world by a slip of the hand.
            (true, Host::Domain(domain)) if domain.contains('.') => PatternHost::Below(domain),
            (true, _) => return Err(invalid()),
        };
        Ok(Self {
            host,
            port: url.port_or_known_default().unwrap_or(HTTPS_PORT),
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            PatternHost::Exactly(host) => write!(f, "{host}")?,
            PatternHost::Below(domain) => write!(f, "*.{domain}")?,
        }
        if self.port == HTTPS_PORT {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &AllowList, url: &str) -> bool {
        list.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn vendors_hosts_are_allowed_by_https_and_nothing_else_is() {
        let list = AllowList::vendors();
        for good in [
            "https://acme.my.salesforce.com/services/data",
            "https://acme--dev.sandbox.my.salesforce.com/",
            "https://login.salesforce.com/",
            "https://ACME.Service-Now.com:443/api",
        ] {
            assert!(allowed(&list, good), "{good}");
        }
        for bad in [
            "http://acme.my.salesforce.com/",
            "http://acme.my.salesforce.com:443/",
            "https://acme.my.salesforce.com:8443/",
            "https://salesforce.com/",
            "https://evilsalesforce.com/",
            "https://acme.my.salesforce.com.evil.example/",
            "https://acme.my.salesforce.com./",
            "https://user@acme.my.salesforce.com/",
            "https://user:pass@acme.service-now.com/",
            "https://evil.example\\@acme.my.salesforce.com/",
            "https://evil.example/?acme.my.salesforce.com",
            "ftp://acme.my.salesforce.com/",
            "https://example.com/",
        ] {
            assert!(!allowed(&list, bad), "{bad}");
        }
    }

    #[test]
    fn loopback_needs_its_flag_in_every_spelling() {
        let urls = [
            "http://127.0.0.1:8080/",
            "http://127.8.9.10/",
            "http://[::1]:8080/",
            "http://localhost:1/",
            "https://localhost:1/",
            "http://0x7f.1/",
            "http://2130706433/",
        ];
        for url in urls {
            assert!(!allowed(&AllowList::vendors(), url), "{url}");
            assert!(allowed(&AllowList::vendors().and_loopback(), url), "{url}");
        }
        assert!(!allowed(
            &AllowList::vendors().and_loopback(),
            "http://example.com/"
        ));
    }

    #[test]
    fn an_address_is_refused_unless_it_is_itself_listed() {
        let addresses = [
            "https://10.0.0.5/",
            "https://169.254.169.254/",
            "https://192.168.1.1/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://93.184.216.34/",
        ];
        let list = AllowList::vendors().and_loopback();
        for url in addresses {
            assert!(!allowed(&list, url), "{url}");
        }
        let list = list
            .and("10.0.0.5".parse().unwrap())
            .and("[fd00::1]".parse().unwrap());
        assert!(allowed(&list, "https://10.0.0.5/"));
        assert!(allowed(&list, "https://[fd00::1]/"));
        assert!(!allowed(&list, "http://10.0.0.5/"));
        assert!(!allowed(&list, "https://10.0.0.6/"));
    }

    #[test]
    fn an_added_pattern_allows_exactly_what_it_says() {
        let list = AllowList::vendors()
            .and("sn.example.com".parse().unwrap())
            .and("*.crm.example.org:8443".parse().unwrap());
        assert!(allowed(&list, "https://sn.example.com/"));
        assert!(!allowed(&list, "https://a.sn.example.com/"));
        assert!(!allowed(&list, "https://sn.example.com:8443/"));
        assert!(allowed(&list, "https://a.b.crm.example.org:8443/"));
        assert!(!allowed(&list, "https://a.crm.example.org/"));
        assert!(!allowed(&list, "https://crm.example.org:8443/"));
    }

    #[test]
    fn a_pattern_that_could_allow_more_than_meant_is_refused() {
        for bad in [
            "",
            "*",
            "*.com",
            "*.",
            "a/b",
            "https://a.example",
            "u@a.example",
            "*.10.0.0.1",
            "a.*.example",
            "a:99999",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
        for good in [
            "a.example",
            "*.a.example",
            "*.a.example:8443",
            "10.0.0.5:8443",
            "[fd00::1]",
        ] {
            assert_eq!(good.parse::<HostPattern>().unwrap().to_string(), good);
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_the_rule_and_no_more_of_the_url() {
        let url = Url::parse("https://evil.example/services?token=s3cret").unwrap();
        let text = AllowList::vendors().check(&url).unwrap_err().to_string();
        assert!(
            text.contains("evil.example") && text.contains("allow-list"),
            "{text}"
        );
        assert!(!text.contains("s3cret"), "{text}");
    }
}
