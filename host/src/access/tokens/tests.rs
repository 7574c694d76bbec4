use super::*;
use crate::store::ChangeFilter;
use crate::store::sqlite::{Options, SqliteStore};

const OWN: &str = "hwa_the-token-of-the-hosts-own-file";

const fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_700_000_000_000 + ms)
}

async fn tokens(folder: &tempfile::TempDir) -> (Tokens, SqliteStore) {
    let store = SqliteStore::open(&folder.path().join("a.db"), Options { exclusive: false, now: at(0) }).unwrap();
    let tokens = Tokens::load(Digest::of(OWN.as_bytes()), Arc::new(store.clone())).await.unwrap();
    (tokens, store)
}

/// None but `own`, in a store that is gone with the last handle.
pub(crate) async fn fresh(own: &str) -> Tokens {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("a.db"), Options { exclusive: false, now: at(0) }).unwrap();
    Tokens::load(Digest::of(own.as_bytes()), Arc::new(store)).await.unwrap()
}

fn new(name: &str, role: Role, expires: Option<Timestamp>) -> NewToken {
    let posts = (role == Role::Source).then(|| Posts::freely("shop".parse().unwrap()));
    NewToken { name: name.parse().unwrap(), role, expires, posts }
}

fn known(number: usize, revoked: Option<Timestamp>) -> Arc<Known> {
    Known::new(Token {
        id: TokenId::from_bytes(u128::try_from(number).unwrap().to_be_bytes()),
        name: "a".parse().unwrap(),
        role: Role::Viewer,
        digest: Digest::of(&number.to_be_bytes()),
        created: at(0),
        created_by: String::new(),
        expires: None,
        last_used: None,
        revoked,
        posts: None,
    })
}

#[tokio::test]
async fn a_token_opens_what_its_role_may_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (tokens, _store) = tokens(&folder).await;
    assert_eq!(tokens.find(OWN, at(0)).unwrap().principal, Principal::local());
    assert_eq!(tokens.find("hwv_other", at(0)), Err(Refused::Unknown));

    let by = Principal::local();
    let (made, text) = tokens.create(new("ci", Role::Viewer, Some(at(10))), by.clone(), at(0)).await.unwrap();
    assert!(text.starts_with("hwv_") && text.len() == 4 + 43, "{text}");
    let found = tokens.find(&text, at(9)).unwrap();
    assert_eq!((found.principal.role, found.principal.name.as_str(), found.posts), (Role::Viewer, "ci", None));
    assert!(matches!(tokens.find(&text, at(10)), Err(Refused::Expired { at: when, .. }) if when == at(10)));
    assert!(tokens.is_valid(Some(made.id), at(9)) && !tokens.is_valid(Some(made.id), at(10)));
    assert!(tokens.is_valid(None, at(10)), "the host's own does not end");

    let (shop, text) = tokens.create(new("shop", Role::Source, None), by.clone(), at(11)).await.unwrap();
    assert_eq!(tokens.find(&text, at(11)).unwrap().posts, shop.posts);
    assert_eq!(tokens.revoke(shop.id, by.clone(), at(12)).await.unwrap().revoked, Some(at(12)));
    assert!(matches!(tokens.find(&text, at(12)), Err(Refused::Revoked { .. })));
    assert_eq!(tokens.revoke(shop.id, by, at(13)).await.unwrap().revoked, Some(at(12)), "once");
}

#[tokio::test]
async fn a_name_is_one_tokens_while_that_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let (tokens, _store) = tokens(&folder).await;
    let create = async |ms| tokens.create(new("ci", Role::Viewer, Some(at(10))), Principal::local(), at(ms)).await;
    let (first, _) = create(0).await.unwrap();
    assert!(matches!(create(9).await, Err(CreateError::NameTaken(_, id)) if id == first.id));
    create(10).await.unwrap();
}

#[tokio::test]
async fn what_is_kept_comes_back_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let (first, store) = tokens(&folder).await;
    let (made, text) = first.create(new("ci", Role::Operator, None), Principal::local(), at(0)).await.unwrap();
    first.find(&text, at(7)).unwrap();
    assert_eq!(first.get(made.id, at(7)).unwrap().last_used, Some(at(7)));
    assert_eq!(store.tokens().await.unwrap()[0].last_used, None, "a request does not wait for it to be written");
    first.write_uses().await;
    let (second, _store) = tokens(&folder).await;
    assert_eq!(second.list(at(8)), [Token { last_used: Some(at(7)), ..made }]);
    second.find(&text, at(8)).unwrap();

    let files = std::fs::read_dir(folder.path()).unwrap();
    for file in files.map(|file| std::fs::read(file.unwrap().path()).unwrap()) {
        assert!(!file.windows(text.len()).any(|window| window == text.as_bytes()), "a token is nowhere on disk");
    }
    let recorded = store.changes(ChangeFilter::default(), None, 9).await.unwrap();
    assert_eq!(recorded[0].change.to, Some(json!({ "name": "ci", "role": "operator", "expires": null })));
}

#[test]
fn what_ended_makes_room_and_what_is_good_does_not() {
    let month = i64::try_from(KEPT_ENDED.as_millis()).unwrap();
    let ids = |forgotten: Vec<TokenId>| forgotten.iter().map(|id| id.to_bytes()[15]).collect::<Vec<_>>();
    let few = [known(1, Some(at(0))), known(2, None), known(3, Some(at(5)))];
    let (kept, forgotten) = make_room(&few, at(month + 5)).unwrap();
    assert_eq!((kept.len(), ids(forgotten)), (2, vec![1]), "the month of the first is over");

    let mut many: Vec<_> = (10..MOST_TOKENS + 8).map(|number| known(number, None)).collect();
    many.extend([known(2, Some(at(1))), known(1, Some(at(2)))]);
    let (kept, forgotten) = make_room(&many, at(3)).unwrap();
    assert_eq!((kept.len(), ids(forgotten)), (MOST_TOKENS - 1, vec![2]), "whatever ended first");
    many.truncate(MOST_TOKENS - 2);
    many.extend([known(2, None), known(1, None)]);
    assert!(matches!(make_room(&many, at(3)), Err(CreateError::Full)));
}
