//! `server.json`: its keys, their ranges and defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;

use super::node::{Fields, Keys, Node};
use super::{
    IntakeLimits, PluginLimits, RetentionRules, SchemaMode, SchemaRules, ServerConfig, UnknownEvents, headers, plugins,
    sources,
};
use crate::duration;
use crate::egress::policy::is_metadata;
use crate::size;
use crate::webhook::Headers;

const ROOT: Keys =
    Keys { known: &["server", "store", "sources", "egress", "schemas", "webhooks", "plugins"], later: &[] };
const SERVER: Keys = Keys {
    known: &["listen", "admin", "adminHosts", "maxBodyBytes", "maxConnections", "headTimeout", "bodyTimeout"],
    later: &[],
};
const STORE: Keys = Keys { known: &["url", "retention"], later: &[] };
const RETENTION: Keys = Keys { known: &["age", "bytes"], later: &[] };
const EGRESS: Keys = Keys { known: &["allow"], later: &[] };
const SCHEMAS: Keys = Keys { known: &["mode", "unknownEvents"], later: &[] };
const WEBHOOKS: Keys = Keys { known: &["defaultHeaders"], later: &[] };

/// A body is held in memory whole.
const MAX_BODY_BYTES: u64 = 64 << 20;
/// Below the usual limit of open files.
const MAX_CONNECTIONS: u64 = 65_536;
/// The tables alone take some pages.
const MIN_RETAINED_BYTES: u64 = 1_000_000;
const MAX_CIDRS: usize = 100;
const MAX_ADMIN_HOSTS: usize = 20;

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4400)),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 4401)),
            admin_hosts: Vec::new(),
            limits: IntakeLimits::default(),
            store_path: "data/hookwright.db".to_owned(),
            retention: RetentionRules { age: Some(Duration::from_hours(30 * 24)), bytes: None },
            sources: Vec::new(),
            egress_allow: Vec::new(),
            schemas: SchemaRules { mode: SchemaMode::Enforce, unknown_events: UnknownEvents::Reject },
            default_headers: Headers::default(),
            plugins: PluginLimits::default(),
        }
    }
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            max_connections: const { NonZeroUsize::new(1024).unwrap() },
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
        }
    }
}

pub(super) fn read(root: &Node<'_>) -> Option<ServerConfig> {
    let fields = root.fields(&ROOT)?;
    let default = ServerConfig::default();
    let server = fields.section("server", &SERVER);
    let (listen, admin) = read_addresses(&server, &default);
    let sources = fields.get("sources").map(|node| sources::read(&node));
    let cidrs = fields.section("egress", &EGRESS).get("allow").map(|node| node.items(MAX_CIDRS)).unwrap_or_default();
    let store = fields.section("store", &STORE);
    let store_path = store.get("url").and_then(|node| read_store(&node));
    let headers = fields.section("webhooks", &WEBHOOKS).get("defaultHeaders").map(|node| headers::read(&node));
    Some(ServerConfig {
        listen,
        admin,
        admin_hosts: server.get("adminHosts").map(|node| read_hosts(&node)).unwrap_or_default(),
        limits: read_limits(&server, default.limits),
        store_path: store_path.unwrap_or(default.store_path),
        retention: read_retention(&store.section("retention", &RETENTION), default.retention),
        sources: sources.unwrap_or_default(),
        egress_allow: cidrs.iter().filter_map(read_cidr).collect(),
        schemas: read_schemas(&fields.section("schemas", &SCHEMAS), default.schemas),
        default_headers: headers.unwrap_or_default(),
        plugins: fields.get("plugins").map(|node| plugins::read(&node)).unwrap_or_default(),
    })
}

fn read_addresses(server: &Fields<'_>, default: &ServerConfig) -> (SocketAddr, SocketAddr) {
    let address = |key: &str, example: SocketAddr| {
        let node = server.get(key)?;
        let kind = format!("an IP address and port, such as {example} or [::1]:{}", example.port());
        let address = node.text_of(&kind)?.text.parse().ok();
        if address.is_none() {
            node.refuse(format_args!("expected {kind}"));
        }
        address
    };
    let listen = address("listen", default.listen).unwrap_or(default.listen);
    let admin = address("admin", default.admin).unwrap_or(default.admin);
    // Port 0 is a different port each time.
    if listen == admin
        && listen.port() != 0
        && let Some(node) = server.get("admin").or_else(|| server.get("listen"))
    {
        node.refuse("expected two different addresses for listen and admin");
    }
    (listen, admin)
}

fn read_hosts(node: &Node<'_>) -> Vec<String> {
    let host = |node: &Node<'_>| {
        let text = node.text()?.text.to_ascii_lowercase();
        if matches!(url::Host::parse(&text), Ok(url::Host::Domain(name)) if name == text) {
            return Some(text);
        }
        node.refuse("expected the name of a host without scheme and port, such as hooks.example");
        None
    };
    node.items(MAX_ADMIN_HOSTS).iter().filter_map(host).collect()
}

fn read_limits(server: &Fields<'_>, default: IntakeLimits) -> IntakeLimits {
    let body = server.get("maxBodyBytes").and_then(|node| node.number(1..=MAX_BODY_BYTES));
    let connections = server.get("maxConnections").and_then(|node| node.number(1..=MAX_CONNECTIONS));
    let timeout = |key: &str| {
        let range = Duration::from_millis(100)..=Duration::from_mins(10);
        server.get(key)?.duration(range, "100ms to 10m")
    };
    IntakeLimits {
        max_body_bytes: body.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(default.max_body_bytes),
        max_connections: connections.and_then(non_zero).unwrap_or(default.max_connections),
        head_timeout: timeout("headTimeout").unwrap_or(default.head_timeout),
        body_timeout: timeout("bodyTimeout").unwrap_or(default.body_timeout),
    }
}

/// The path in a URL such as `sqlite:data/hookwright.db`.
pub(crate) fn sqlite_path(url: &str) -> Option<&str> {
    url.strip_prefix("sqlite:").filter(|path| {
        !path.is_empty() && !path.starts_with("//") && !path.contains(['?', '\0']) && *path != ":memory:"
    })
}

fn read_store(node: &Node<'_>) -> Option<String> {
    let url = node.text()?.text;
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        // The URL may hold a password.
        node.clone().secret().refuse("PostgreSQL is not yet supported; expected sqlite: and a path");
        return None;
    }
    let path = sqlite_path(&url);
    if path.is_none() {
        node.clone().secret().refuse("expected sqlite: and the path of a file, such as sqlite:data/hookwright.db");
    }
    path.map(str::to_owned)
}

fn read_retention(retention: &Fields<'_>, default: RetentionRules) -> RetentionRules {
    let age = retention.get("age").and_then(|node| {
        let kind = "a duration from 1s to 365d, such as \"30d\", or \"forever\"";
        let text = node.text_of(kind)?.text;
        let age = match text.as_str() {
            "forever" => Some(None),
            text => duration::parse(text).ok().filter(|age| *age >= Duration::from_secs(1)).map(Some),
        };
        if age.is_none() {
            node.refuse(format_args!("expected {kind}"));
        }
        age
    });
    let bytes = retention.get("bytes").and_then(|node| {
        let kind =
            "a size from 1MB, a whole number with a unit B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as \"10GB\"";
        let bytes = size::parse(&node.text_of(kind)?.text).ok().filter(|bytes| *bytes >= MIN_RETAINED_BYTES);
        if bytes.is_none() {
            node.refuse(format_args!("expected {kind}"));
        }
        bytes
    });
    RetentionRules { age: age.unwrap_or(default.age), bytes: bytes.or(default.bytes) }
}

fn read_cidr(node: &Node<'_>) -> Option<IpNet> {
    let text = node.text()?.text;
    let refuse = |message: String| {
        node.refuse(message);
        None
    };
    let Ok(cidr) = text.parse::<IpNet>() else {
        return refuse("expected a range of addresses (CIDR), such as 10.20.0.0/16 or 10.20.0.5/32".to_owned());
    };
    if cidr != cidr.trunc() {
        return refuse(format!("expected the first address of the range: {}", cidr.trunc()));
    }
    match cidr {
        _ if cidr.prefix_len() == cidr.max_prefix_len() && is_metadata(cidr.addr()) => {
            refuse("metadata addresses are never opened".to_owned())
        }
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.network().to_ipv4_mapped().is_some() => {
            refuse("expected an IPv4 range written as one, such as 10.20.0.0/16".to_owned())
        }
        cidr => Some(cidr),
    }
}

fn read_schemas(fields: &Fields<'_>, default: SchemaRules) -> SchemaRules {
    let mode = [("enforce", SchemaMode::Enforce), ("warn", SchemaMode::Warn)];
    let unknown = [("reject", UnknownEvents::Reject), ("accept", UnknownEvents::Accept)];
    SchemaRules {
        mode: fields.get("mode").and_then(|node| node.choice(&mode)).unwrap_or(default.mode),
        unknown_events: fields
            .get("unknownEvents")
            .and_then(|node| node.choice(&unknown))
            .unwrap_or(default.unknown_events),
    }
}

fn non_zero(number: u64) -> Option<NonZeroUsize> {
    usize::try_from(number).ok().and_then(NonZeroUsize::new)
}
