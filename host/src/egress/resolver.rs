//! Name resolution under the policy: the client connects to exactly the addresses returned here, so judging
//! them here leaves no gap between check and connect.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::{Policy, Refusal};

pub(super) struct PolicyResolver(pub(super) Arc<Policy>);

/// Why a name gives no addresses.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("the name {name} resolves to an address that is not allowed: {refusal}")]
    Refused { name: String, refusal: Refusal },
    #[error("the name {name} cannot be resolved: {error}")]
    Lookup { name: String, error: std::io::Error },
    #[error("the name {name} has no address")]
    Nothing { name: String },
}

impl Resolve for PolicyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = lookup(&policy, name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All addresses of a name; one refused address refuses the name.
async fn lookup(policy: &Policy, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name, 0))
        .await
        .map_err(|error| ResolveError::Lookup { name: name.to_owned(), error })?
        .collect();
    if found.is_empty() {
        return Err(ResolveError::Nothing { name: name.to_owned() });
    }
    for address in &found {
        policy.judge(address.ip()).map_err(|refusal| ResolveError::Refused { name: name.to_owned(), refusal })?;
    }
    Ok(found)
}
