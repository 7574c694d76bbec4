//! Which addresses may be reached. Pure.
//!
//! The public internet is open; everything special (IANA's special-purpose registries: private, loopback,
//! link-local, documentation, …) is refused unless a CIDR of `egress.allow` opens it. Cloud metadata
//! addresses are never open, whatever the spelling.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use self::tables::{GLOBAL_UNICAST, METADATA, SPECIAL_V4, SPECIAL_V6};

mod tables;

/// What may be reached beyond the public internet.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    allow: Vec<IpNet>,
    /// The file that has the last word on `egress.allow`.
    file: Arc<str>,
}

/// Why an address may not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Refusal {
    address: IpAddr,
    kind: &'static str,
    can_be_opened: bool,
    /// Where it can be opened.
    file: Arc<str>,
}

impl Refusal {
    /// The same, to be opened in `file`.
    pub(crate) fn told(&self, file: &str) -> String {
        Self { file: file.into(), ..self.clone() }.to_string()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, kind, can_be_opened, file } = self;
        write!(f, "{address} is refused: {kind}")?;
        if !can_be_opened {
            return Ok(());
        }
        let range = IpNet::from(address.to_canonical());
        write!(f, "; \"{range}\" under egress.allow in {file} opens it")
    }
}

impl Policy {
    /// `file`: the one that has the last word on what is allowed.
    pub(crate) fn new(allow: &[IpNet], file: &str) -> Self {
        Self { allow: allow.to_vec(), file: file.into() }
    }

    /// Judges one address, in the form it will be connected to.
    pub(crate) fn judge(&self, address: IpAddr) -> Result<(), Refusal> {
        let refuse = |kind, can_be_opened| Err(Refusal { address, kind, can_be_opened, file: Arc::clone(&self.file) });
        let canonical = address.to_canonical();
        if is_metadata(address) {
            return refuse("a cloud metadata service, never opened", false);
        }
        if self.allow.iter().any(|net| net.contains(&address) || net.contains(&canonical)) {
            return Ok(());
        }
        match special(canonical) {
            Some(kind) => refuse(kind, true),
            None => Ok(()),
        }
    }
}

/// Whether the address leads to a cloud's metadata service, in whatever spelling. No configuration opens these.
pub(crate) fn is_metadata(address: IpAddr) -> bool {
    let canonical = address.to_canonical();
    METADATA.contains(&canonical)
        || matches!(canonical, IpAddr::V6(v6) if embedded(v6).is_some_and(|v4| METADATA.contains(&v4.into())))
}

/// The IPv4 address that an IPv6 address leads to by translation: IPv4-compatible, SIIT, NAT64, 6to4.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, high, low] = v6.segments();
    let join = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match [s0, s1, s2, s3, s4, s5] {
        [0, 0, 0, 0, 0 | 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => Some(join(high, low)),
        [0x2002, ..] => Some(join(s1, s2)),
        _ => None,
    }
}

fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => SPECIAL_V4.iter().find(|(net, _)| net.contains(&v4)).map(|(_, kind)| *kind),
        IpAddr::V6(v6) if !GLOBAL_UNICAST.contains(&v6) => Some(
            SPECIAL_V6.iter().find(|(net, _)| net.contains(&v6)).map_or("not a public IPv6 address", |(_, kind)| *kind),
        ),
        IpAddr::V6(v6) => SPECIAL_V6.iter().find(|(net, _)| net.contains(&v6)).map(|(_, kind)| *kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(allow: &[&str], address: &str) -> Result<(), Refusal> {
        let allow: Vec<IpNet> = allow.iter().map(|net| net.parse().unwrap()).collect();
        Policy::new(&allow, "config/server.json").judge(address.parse().unwrap())
    }

    #[test]
    fn the_public_internet_is_open() {
        for address in ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"] {
            assert_eq!(judge(&[], address), Ok(()), "{address}");
        }
    }

    #[test]
    fn what_is_special_begins_and_ends_where_the_registries_say() {
        for [before, first, last, after] in [
            ["9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"],
            ["100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"],
            ["126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"],
            ["169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"],
            ["172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"],
            ["192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"],
            ["198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"],
            ["2001:ffff::1", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"],
        ] {
            for (address, is_open) in [(before, true), (first, false), (last, false), (after, true)] {
                assert_eq!(judge(&[], address).is_ok(), is_open, "{address}");
            }
        }
        // Right beside what is refused, all is open …
        for address in ["1.0.0.0", "223.255.255.255", "2000::1"] {
            assert_eq!(judge(&[], address), Ok(()), "{address}");
        }
        for address in ["0.255.255.255", "64:ff9b::1.1.1.1", "64:ff9b::ffff:ffff", "fdff::1", "febf::1", "1fff::1"] {
            assert!(judge(&[], address).is_err(), "{address}");
        }
    }

    #[test]
    fn special_addresses_are_refused_in_every_spelling() {
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "4000::1",
        ] {
            assert!(judge(&[], address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_cidr_opens_what_it_names_and_no_more() {
        assert_eq!(judge(&["127.0.0.0/8"], "127.0.0.1"), Ok(()));
        assert_eq!(judge(&["127.0.0.0/8"], "::ffff:127.0.0.1"), Ok(()));
        assert!(judge(&["127.0.0.0/8"], "::1").is_err());
        assert!(judge(&["10.20.0.0/16"], "10.21.0.1").is_err());
    }

    #[test]
    fn a_refusal_names_the_range_that_opens_it_if_one_does() {
        let says = |address| judge(&[], address).expect_err(address).to_string();
        assert_eq!(
            says("10.20.0.5"),
            "10.20.0.5 is refused: private (10.0.0.0/8); \"10.20.0.5/32\" under egress.allow in config/server.json opens it"
        );
        for special in ["::1", "::ffff:10.20.0.5", "64:ff9b::7f00:1", "4000::1", "0.0.0.0"] {
            let words = says(special);
            let range = words.rsplit('"').nth(1).expect(special);
            assert_eq!(judge(&[range], special), Ok(()), "{words}");
        }
        assert_eq!(
            says("::ffff:169.254.169.254"),
            "::ffff:169.254.169.254 is refused: a cloud metadata service, never opened"
        );
    }

    #[test]
    fn metadata_is_never_open() {
        let everything = ["0.0.0.0/0", "::/0"];
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "169.254.0.23",
            "169.254.42.42",
            "fd20:ce::254",
            "fd00:ec2::23",
            "fd00:42::42",
            "fe80::a9fe:a9fe",
            "64:ff9b:1::a83f:8110",
            "64:ff9b:1:2:3:4:a9fe:a9fe",
            "::ffff:0:169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "::169.254.169.254",
            "fd00:ec2::254",
        ] {
            assert!(judge(&everything, address).is_err(), "{address}");
            let closed = judge(&[], address).expect_err(address);
            assert!(!closed.can_be_opened, "{closed}");
        }
        assert_eq!(judge(&everything, "127.0.0.1"), Ok(()));
    }

    #[test]
    fn a_refusal_names_the_file_that_has_the_last_word() {
        let file = "config/environments/production/server.json";
        let refusal = Policy::new(&[], file).judge("10.0.0.1".parse().unwrap()).expect_err("private");
        assert!(refusal.to_string().ends_with(&format!("under egress.allow in {file} opens it")), "{refusal}");
        assert!(refusal.told("config/server.json").ends_with("in config/server.json opens it"));
    }
}
