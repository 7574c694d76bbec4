//! What people make and change.

use futures_util::StreamExt as _;
use serde_json::json;

use super::*;
use crate::access::{Posts, Principal, Role, Token};
use crate::ids::{Digest, TokenId};
use crate::store::{CHANGES_KEPT, Change, ChangeFilter, Recorded, Registry};

fn change(action: &str, subject: &str, ms: i64) -> Change {
    Change::by(&Principal::local(), action, subject, at(ms))
}

fn numbers(found: &[Recorded]) -> Vec<i64> {
    found.iter().map(|recorded| recorded.number).collect()
}

pub(crate) async fn changes_are_numbered_and_bounded(database: &impl Database) {
    let store = database.handle().await;
    let full = Change { from: Some(json!({ "a": 1 })), to: Some(json!([null])), ..change("webhook.pause", "w", 7) };
    store.record(full.clone()).await.expect("records");
    for _ in 0..3 {
        store.record(change("reload", "revision", 8)).await.expect("records");
    }
    let all = ChangeFilter::default();
    assert_eq!(numbers(&store.changes(all.clone(), None, 2).await.expect("lists")), [4, 3]);
    let rest = store.changes(all.clone(), Some(3), 9).await.expect("lists");
    assert_eq!(numbers(&rest), [2, 1]);
    assert_eq!(rest[1].change, full);
    for (subject, action, expected) in
        [(Some("w"), None, vec![1]), (None, Some("reload"), vec![4, 3, 2]), (Some("w"), Some("reload"), vec![])]
    {
        let filter = ChangeFilter { subject: subject.map(str::to_owned), action: action.map(str::to_owned) };
        assert_eq!(numbers(&store.changes(filter, None, 9).await.expect("lists")), expected);
    }

    let many = (0..CHANGES_KEPT).map(|_| store.record(change("reload", "revision", 9)));
    let mut many = futures_util::stream::iter(many).buffer_unordered(1_000);
    while let Some(recorded) = many.next().await {
        recorded.expect("records");
    }
    let oldest = store.changes(all, Some(7), 9).await.expect("lists");
    assert_eq!(numbers(&oldest), [6, 5], "the first four made room");
}

fn token(number: u8) -> Token {
    Token {
        id: TokenId::from_bytes([number; 16]),
        name: "ci".parse().expect("a name"),
        role: Role::Source,
        digest: Digest::of(&[number]),
        created: at(0),
        created_by: "ana".to_owned(),
        expires: Some(at(99)),
        last_used: None,
        revoked: None,
        posts: Some(Posts {
            source: "shop".parse().expect("a source"),
            events: vec!["entry.*".parse().expect("a pattern")],
        }),
    }
}

pub(crate) async fn tokens_change_with_their_record(database: &impl Database) {
    let store = database.handle().await;
    let plain = Token { role: Role::Viewer, expires: None, posts: None, ..token(2) };
    for one in [plain.clone(), token(1)] {
        let created = change("token.create", &one.id.to_string(), 0);
        store.create_token(one, vec![], created).await.expect("creates");
    }
    assert_eq!(store.tokens().await.expect("lists"), [token(1), plain.clone()], "oldest first");

    store.tokens_used(vec![(plain.id, at(5)), (TokenId::from_bytes([9; 16]), at(5))]).await.expect("writes");
    store.revoke_token(plain.id, at(6), change("token.revoke", &plain.id.to_string(), 6)).await.expect("revokes");
    let revoked = Token { last_used: Some(at(5)), revoked: Some(at(6)), ..plain };
    assert_eq!(store.tokens().await.expect("lists"), [token(1), revoked.clone()]);

    let third = change("token.create", &token(3).id.to_string(), 7);
    store.create_token(token(3), vec![revoked.id], third).await.expect("creates");
    assert_eq!(store.tokens().await.expect("lists"), [token(1), token(3)]);
    let again = store.create_token(token(3), vec![token(1).id], change("token.create", "again", 8)).await;
    assert!(again.is_err(), "an id is given once");
    assert_eq!(store.tokens().await.expect("lists"), [token(1), token(3)], "all or nothing");

    let recorded = store.changes(ChangeFilter::default(), None, 9).await.expect("lists");
    let actions: Vec<_> = recorded.iter().map(|recorded| recorded.change.action.as_str()).collect();
    assert_eq!(actions, ["token.create", "token.revoke", "token.create", "token.create"]);
}
