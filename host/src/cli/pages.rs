//! Lists of the host, page by page: a page may be short before the end.

use serde_json::{Value, json};

use super::client::{Client, ClientError};
use super::json;

/// What the host gives at once.
const PAGE: usize = 200;

/// At most `limit` entries of the list `name` at `path`, which has a query, in one answer.
pub(super) async fn all(client: &Client, path: &str, name: &str, limit: u32) -> Result<Value, ClientError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let pointer = format!("/{name}");
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let wanted = limit.saturating_sub(found.len()).min(PAGE);
        let page = client.get(&page_path(path, wanted, &next)).await?;
        found.extend(json::list(&page, &pointer).iter().cloned());
        let after = json::text(&page, "/next");
        // A host that does not come forward is not asked for ever.
        if after.is_empty() || after == next || found.len() >= limit {
            let next = if after.is_empty() { Value::Null } else { after.into() };
            return Ok(json!({ name: found, "next": next }));
        }
        next = after;
    }
}

/// Of two `before`s the host would refuse one: that of the first page is replaced.
fn page_path(path: &str, wanted: usize, next: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts: Vec<_> = query.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if !next.is_empty() {
        parts.retain(|part| !part.starts_with("before="));
        parts.push(format!("before={next}"));
    }
    parts.push(format!("limit={wanted}"));
    format!("{path}?{}", parts.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_goes_on_where_the_last_one_ended() {
        assert_eq!(page_path("/v1/events?", 5, ""), "/v1/events?limit=5");
        let path = "/v1/events?type=entry.*&before=evt_9";
        assert_eq!(page_path(path, 5, ""), "/v1/events?type=entry.*&before=evt_9&limit=5");
        assert_eq!(page_path(path, 5, "evt_4"), "/v1/events?type=entry.*&before=evt_4&limit=5");
    }
}
