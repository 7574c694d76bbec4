//! Which addresses may be reached. Pure.
//!
//! The public internet is open; everything special (IANA's special-purpose registries: private, loopback,
//! link-local, documentation, …) is refused unless a CIDR of `egress.allow` opens it. Cloud metadata
//! addresses are never open, whatever the spelling.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What may be reached beyond the public internet.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    allow: Vec<IpNet>,
}

/// Why an address may not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Refusal {
    address: IpAddr,
    kind: &'static str,
    can_be_opened: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused: {}", self.address, self.kind)?;
        if self.can_be_opened {
            write!(f, "; a CIDR in egress.allow of config/server.json opens it")?;
        }
        Ok(())
    }
}

impl Policy {
    pub(crate) fn new(allow: &[IpNet]) -> Self {
        Self { allow: allow.to_vec() }
    }

    /// Judges one address, in the form it will be connected to.
    pub(crate) fn judge(&self, address: IpAddr) -> Result<(), Refusal> {
        let refuse = |kind, can_be_opened| Err(Refusal { address, kind, can_be_opened });
        let canonical = address.to_canonical();
        if is_metadata(canonical) {
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

fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => v6 == METADATA_V6 || embedded(v6).is_some_and(|v4| METADATA_V4.contains(&v4)),
    }
}

/// The IPv4 address that an IPv6 address leads to by translation: IPv4-compatible, NAT64, 6to4.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, high, low] = v6.segments();
    let join = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match [s0, s1, s2, s3, s4, s5] {
        [0, 0, 0, 0, 0, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(join(high, low)),
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

const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    // Container credentials of AWS.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), prefix)
}

const SPECIAL_V4: [(Ipv4Net, &str); 15] = [
    (v4(0, 0, 0, 0, 8), "\"this network\" (0.0.0.0/8)"),
    (v4(10, 0, 0, 0, 8), "private (10.0.0.0/8)"),
    (v4(100, 64, 0, 0, 10), "shared by a carrier (100.64.0.0/10)"),
    (v4(127, 0, 0, 0, 8), "loopback (127.0.0.0/8)"),
    (v4(169, 254, 0, 0, 16), "link-local (169.254.0.0/16)"),
    (v4(172, 16, 0, 0, 12), "private (172.16.0.0/12)"),
    (v4(192, 0, 0, 0, 24), "reserved for protocols (192.0.0.0/24)"),
    (v4(192, 0, 2, 0, 24), "for documentation (192.0.2.0/24)"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay (192.88.99.0/24)"),
    (v4(192, 168, 0, 0, 16), "private (192.168.0.0/16)"),
    (v4(198, 18, 0, 0, 15), "for benchmarks (198.18.0.0/15)"),
    (v4(198, 51, 100, 0, 24), "for documentation (198.51.100.0/24)"),
    (v4(203, 0, 113, 0, 24), "for documentation (203.0.113.0/24)"),
    (v4(224, 0, 0, 0, 4), "multicast (224.0.0.0/4)"),
    (v4(240, 0, 0, 0, 4), "reserved (240.0.0.0/4)"),
];

const SPECIAL_V6: [(Ipv6Net, &str); 11] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified (::)"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback (::1)"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "translated to IPv4 (64:ff9b::/96)"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "translated to IPv4 (64:ff9b:1::/48)"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private (fc00::/7)"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local (fe80::/10)"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast (ff00::/8)"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved for protocols (2001::/23)"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "for documentation (2001:db8::/32)"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4 (2002::/16)"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "for documentation (3fff::/20)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(allow: &[&str], address: &str) -> Result<(), Refusal> {
        let allow: Vec<IpNet> = allow.iter().map(|net| net.parse().unwrap()).collect();
        Policy::new(&allow).judge(address.parse().unwrap())
    }

    #[test]
    fn the_public_internet_is_open() {
        for address in ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"] {
            assert_eq!(judge(&[], address), Ok(()), "{address}");
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
    fn metadata_is_never_open() {
        let everything = ["0.0.0.0/0", "::/0"];
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "::169.254.169.254",
            "fd00:ec2::254",
        ] {
            assert!(judge(&everything, address).is_err(), "{address}");
        }
        assert_eq!(judge(&everything, "127.0.0.1"), Ok(()));
    }
}
