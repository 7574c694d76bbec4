//! Webhooks that are managed over the API: made, changed, rotated and removed, each change checked, sealed, stored with
//! its record, and put in force before it is answered.
//!
//! The store is the truth; here is what was read of it. Changes go one after the other. Webhooks of files are not
//! touched: theirs are the definitions of which nothing is written but run state.

pub(crate) mod definition;
mod draft;
mod error;
mod retire;
mod sealed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, Notify};

use crate::access::{Principal, Role};
use crate::clock::{self, Timestamp};
use crate::config::{self, MAX_SECRETS};
use crate::ids::{Digest, WebhookId};
use crate::reload::{ReloadHandle, objections};
use crate::revision::Live;
use crate::schemas::Violation;
use crate::signing::SigningSecret;
use crate::store::{self, Administration, Change, MOST_MANAGED, ManagedRow, StoreError, Written};
use crate::tasks::{self, OnPanic};
use crate::vault::Vault;
use crate::webhook::Managed;

use draft::{merge, slug};
use sealed::{opened, seal};

pub use definition::{Definition, Exported};
pub use error::EditError;

/// Managed webhooks by id.
pub type ManagedSet = BTreeMap<WebhookId, Arc<Managed>>;

/// An old signing secret is good for at most so long.
pub const LONGEST_RETIREMENT: Duration = Duration::from_hours(30 * 24);

/// What managing webhooks needs of the host.
pub struct Parts {
    pub store: Arc<dyn store::Managed>,
    pub administration: Arc<dyn Administration>,
    pub live: Live,
    pub reload: ReloadHandle,
    pub vault: Vault,
}

/// The managed webhooks of this host.
pub struct ManagedWebhooks {
    store: Arc<dyn store::Managed>,
    administration: Arc<dyn Administration>,
    live: Live,
    reload: ReloadHandle,
    state: Mutex<State>,
    /// There may be an earlier end of a signing secret.
    changed: Notify,
}

struct State {
    vault: Vault,
    rows: BTreeMap<WebhookId, ManagedRow>,
    set: ManagedSet,
}

/// Who asks for a change, and what he knew when he did.
#[derive(Clone, Debug)]
pub struct Asked {
    pub who: Principal,
    /// The version that is to be changed; none: whichever there is.
    pub known: Option<i64>,
}

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// None: made of its name.
    pub id: Option<WebhookId>,
    pub draft: Value,
    /// The same again makes nothing.
    pub key: Option<String>,
    /// What a webhook of this id left behind when it was removed goes to the new one. Otherwise that is refused: the new one
    /// may be somebody else's.
    pub adopt_held: bool,
}

/// What a change led to.
#[derive(Debug)]
pub struct Edited {
    pub id: WebhookId,
    pub version: i64,
    /// False: everything was as it was asked for.
    pub changed: bool,
    /// A signing secret that was made. Never shown again.
    pub secret: Option<SigningSecret>,
}

/// What the store has, opened. `drop_unreadable`: what does not open is deleted, which the record of changes tells.
///
/// # Errors
/// When it cannot be read, or its secrets not be opened with the keys at hand.
pub async fn open(store: &dyn store::Managed, vault: &Vault, drop_unreadable: bool) -> Result<ManagedSet, EditError> {
    let mut set = ManagedSet::new();
    for row in store.managed().await? {
        match opened(&row, vault) {
            Ok(managed) => drop(set.insert(row.webhook.clone(), Arc::new(managed))),
            Err(error) if drop_unreadable => {
                tracing::warn!(webhook = %row.webhook, %error, "deleted; what it has not delivered is held");
                let from = Some(Definition::kept(row.definition, BTreeMap::new()).shown());
                let (who, now) = (Principal::host(), clock::now());
                let change = Change { from, ..Change::by(&who, "webhook.delete", row.webhook.to_string(), now) };
                store.remove(row.webhook, row.version, true, change).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(set)
}

impl ManagedWebhooks {
    /// # Errors
    /// As of [`open`].
    pub async fn start(parts: Parts) -> Result<Arc<Self>, EditError> {
        let Parts { store, administration, live, reload, vault } = parts;
        let rows: BTreeMap<_, _> = store.managed().await?.into_iter().map(|row| (row.webhook.clone(), row)).collect();
        let set = rows
            .iter()
            .map(|(id, row)| Ok((id.clone(), Arc::new(opened(row, &vault)?))))
            .collect::<Result<_, EditError>>()?;
        let state = Mutex::new(State { vault, rows, set });
        Ok(Arc::new(Self { store, administration, live, reload, state, changed: Notify::new() }))
    }

    /// # Errors
    /// Why nothing was made.
    pub async fn create(self: &Arc<Self>, new: NewWebhook, who: Principal) -> Result<Edited, EditError> {
        self.see_through(move |this| async move {
            let mut state = this.state.lock().await;
            let sent = state.vault.digest(format!("{:?} {}", new.id, new.draft).as_bytes());
            if let Some(key) = &new.key
                && let Some(row) =
                    state.rows.values().find(|row| row.key.as_ref().is_some_and(|(known, _)| known == key))
            {
                let is_same = row.key.as_ref().is_some_and(|(_, digest)| *digest == sent);
                let again = || Edited { id: row.webhook.clone(), version: row.version, changed: false, secret: None };
                return if is_same { Ok(again()) } else { Err(EditError::KeyUsed(row.webhook.clone())) };
            }
            let mut definition = Definition::sent(&new.draft, None)?;
            let id = match new.id {
                Some(id) => id,
                None => this.free_id(&state, &definition).await?,
            };
            if state.rows.contains_key(&id) || this.live.load().webhooks.contains_key(&id) {
                return Err(EditError::Exists(id));
            }
            if this.live.load().in_files.contains(&id) {
                return Err(EditError::InFile(id));
            }
            if !new.adopt_held && this.left_behind(&id).await? > 0 {
                return Err(EditError::LeftBehind(id));
            }
            this.allowed(&Definition::default(), &definition, &who)?;
            let mut secret = None;
            if definition.written().get("signing").is_none() {
                let made = SigningSecret::generate();
                definition = definition.with_signing_secret(made.expose()).0;
                secret = Some(made);
            }
            let now = clock::now();
            let managed = Managed { id, definition, version: 1, created: now, changed: now, retiring: BTreeMap::new() };
            let key = new.key.map(|key| (key, sent));
            let edited = this.put(&mut state, managed, None, key, "webhook.create", &who).await?;
            // Whoever may not handle secrets does not see it; it can be rotated by somebody who may.
            Ok(Edited { secret: secret.filter(|_| who.role.may(Role::Admin)), ..edited })
        })
        .await
    }

    /// Puts another definition in the place of the one there is. It is not left unsigned by being forgotten: that takes a
    /// null.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn replace(self: &Arc<Self>, id: WebhookId, draft: Value, asked: Asked) -> Result<Edited, EditError> {
        self.edit(id, asked, "webhook.update", move |known| {
            let (mut draft, signing) = (draft, known.shown().get("signing").cloned());
            if let (Some(members), Some(signing)) = (draft.as_object_mut(), signing) {
                members.entry("signing").or_insert(signing);
            }
            Definition::sent(&draft, Some(known)).map(|new| (new, None))
        })
        .await
    }

    /// Changes what the patch names: RFC 7396.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn patch(self: &Arc<Self>, id: WebhookId, patch: Value, asked: Asked) -> Result<Edited, EditError> {
        self.edit(id, asked, "webhook.update", move |known| {
            let mut draft = known.shown();
            merge(&mut draft, patch);
            Definition::sent(&draft, Some(known)).map(|new| (new, None))
        })
        .await
    }

    /// Signs with a fresh secret from now on, and with the earlier ones too for this long.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn rotate(
        self: &Arc<Self>,
        id: WebhookId,
        keep_old: Duration,
        asked: Asked,
    ) -> Result<Edited, EditError> {
        let until = clock::now().after(keep_old.min(LONGEST_RETIREMENT));
        self.edit(id, asked, "webhook.rotate-secret", move |known| {
            let made = SigningSecret::generate();
            let (new, _) = known.with_signing_secret(made.expose());
            let too_old: Vec<_> = new.signing_secrets().into_iter().skip(MAX_SECRETS).collect();
            let new = new.without_signing_secrets(&too_old);
            Ok((new, Some((made, until))))
        })
        .await
    }

    /// # Errors
    /// Why it was not removed.
    pub async fn remove(self: &Arc<Self>, id: WebhookId, asked: Asked) -> Result<(), EditError> {
        self.see_through(move |this| async move {
            let mut state = this.state.lock().await;
            let managed = this.to_remove(&state, &id, &asked)?;
            let is_in_force = !this.live.load().in_files.contains(&id);
            let shown = Some(managed.definition.shown());
            let change =
                Change { from: shown, ..Change::by(&asked.who, "webhook.delete", id.to_string(), clock::now()) };
            let written = this.store.remove(id.clone(), managed.version, is_in_force, change).await;
            this.done(&mut state, written, &id).await?;
            state.rows.remove(&id);
            state.set.remove(&id);
            this.put_in_force(&state).await
        })
        .await
    }

    /// The form of a file; it shows no secret.
    ///
    /// # Errors
    /// When it is not managed here.
    pub async fn export(&self, id: &WebhookId) -> Result<Exported, EditError> {
        let state = self.state.lock().await;
        let managed = state.set.get(id).ok_or_else(|| self.not_managed(id))?;
        Ok(managed.definition.exported(id.as_str()))
    }

    /// Seals all secrets anew: with a fresh key, where keys are in the host's own file. Returns how many webhooks have
    /// some, the id of the key, and whether another one sealed before.
    ///
    /// # Errors
    /// When the keys or the store cannot be written. Everything still opens then.
    pub async fn rotate_key(self: &Arc<Self>, who: Principal) -> Result<(usize, String, bool), EditError> {
        self.see_through(move |this| async move {
            let mut state = this.state.lock().await;
            let is_sealed_so = |row: &ManagedRow| row.sealed.is_empty() || state.vault.seals_as(&row.sealed);
            let is_all_sealed_so = state.rows.values().all(is_sealed_so);
            let fresh = state.vault.is_in_file() || !is_all_sealed_so;
            if is_all_sealed_so {
                // Otherwise an earlier change was cut off: its key is the first already.
                state.vault = state.vault.with_new_key()?;
            }
            let vault = &state.vault;
            let mut sealed = Vec::new();
            for (id, managed) in state.set.iter().filter(|(_, managed)| !managed.definition.secrets().is_empty()) {
                sealed.push((id.clone(), managed.version, seal(managed, vault)?));
            }
            let (count, key) = (sealed.len(), vault.key_id());
            let to = Some(serde_json::json!({ "key": key, "webhooks": count }));
            let change = Change { to, ..Change::by(&who, "secret.rotate-key", vault.place(), clock::now()) };
            let written = this.store.reseal(sealed.clone(), change).await;
            // Whatever came of it, both keys are at hand.
            match written? {
                Written::Done => {}
                Written::Changed | Written::TooMany => return Err(EditError::Unexpected),
            }
            for (id, _, sealed) in sealed {
                if let Some(row) = state.rows.get_mut(&id) {
                    row.sealed = sealed;
                }
            }
            state.vault = state.vault.without_old_keys()?;
            Ok((count, key, fresh))
        })
        .await
    }

    async fn edit(
        self: &Arc<Self>,
        id: WebhookId,
        asked: Asked,
        action: &'static str,
        make: impl FnOnce(&Definition) -> Result<(Definition, Option<(SigningSecret, Timestamp)>), Vec<Violation>>
        + Send
        + 'static,
    ) -> Result<Edited, EditError> {
        self.see_through(move |this| async move {
            let mut state = this.state.lock().await;
            let known = this.known(&state, &id, &asked)?;
            let (definition, rotated) = make(&known.definition)?;
            if definition == known.definition {
                return Ok(Edited { id, version: known.version, changed: false, secret: None });
            }
            this.allowed(&known.definition, &definition, &asked.who)?;
            let (secret, until) = rotated.unzip();
            let retiring = retire::still(&known, &definition, until);
            let managed = Managed {
                id,
                definition,
                version: known.version + 1,
                created: known.created,
                changed: clock::now(),
                retiring,
            };
            let key = state.rows.get(&known.id).and_then(|row| row.key.clone());
            let edited = this.put(&mut state, managed, Some(&known), key, action, &asked.who).await?;
            Ok(Edited { secret, ..edited })
        })
        .await
    }

    /// Checks, stores and puts in force.
    async fn put(
        &self,
        state: &mut State,
        managed: Managed,
        known: Option<&Managed>,
        key: Option<(String, Digest)>,
        action: &str,
        who: &Principal,
    ) -> Result<Edited, EditError> {
        let managed = Arc::new(managed);
        self.judge(&managed, known)?;
        let (from, to) = draft::differing(known.map(|known| known.definition.shown()), managed.definition.shown());
        let change = Change { from, to: Some(to), ..Change::by(who, action, managed.id.to_string(), managed.changed) };
        let row = ManagedRow {
            webhook: managed.id.clone(),
            version: managed.version,
            created: managed.created,
            changed: managed.changed,
            definition: managed.definition.written().clone(),
            sealed: seal(&managed, &state.vault)?,
            retiring: managed.retiring.clone(),
            key,
        };
        let written = self.store.write(row.clone(), known.map(|known| known.version), change).await;
        self.done(state, written, &managed.id).await?;
        let edited = Edited { id: managed.id.clone(), version: managed.version, changed: true, secret: None };
        state.rows.insert(managed.id.clone(), row);
        state.set.insert(managed.id.clone(), managed);
        self.put_in_force(state).await?;
        self.changed.notify_one();
        Ok(edited)
    }

    /// Whether it makes a webhook, and one that works beside what is in force, as far as that is new: what was wrong before
    /// keeps nobody from changing something else.
    fn judge(&self, managed: &Arc<Managed>, known: Option<&Managed>) -> Result<(), EditError> {
        let webhook = config::parse_managed(managed).map_err(|errors| {
            let violation = |error: config::ConfigError| Violation {
                pointer: error.pointer,
                keyword: "definition".to_owned(),
                message: error.message,
            };
            EditError::Invalid(errors.into_iter().map(violation).collect())
        })?;
        let revision = self.live.load();
        let mut objections = objections(&webhook, &revision);
        let known = known.and_then(|known| config::parse_managed(&Arc::new(known.clone())).ok());
        if let Some(known) = known.filter(|_| !objections.is_empty()) {
            let before = crate::reload::objections(&known, &revision);
            objections.retain(|objection| !before.contains(objection));
        }
        if objections.is_empty() { Ok(()) } else { Err(EditError::Invalid(objections)) }
    }

    /// Whether it was written. If not, or nobody knows, what is known here is read anew.
    async fn done(
        &self,
        state: &mut State,
        written: Result<Written, StoreError>,
        id: &WebhookId,
    ) -> Result<(), EditError> {
        let error = match written {
            Ok(Written::Done) => return Ok(()),
            Ok(Written::TooMany) => return Err(EditError::TooMany),
            Ok(Written::Changed) => EditError::ChangedMeanwhile(id.clone()),
            Err(error) => error.into(),
        };
        let rows = self.store.managed().await?;
        let set = rows.iter().map(|row| Ok((row.webhook.clone(), Arc::new(opened(row, &state.vault)?))));
        state.set = set.collect::<Result<_, EditError>>()?;
        state.rows = rows.into_iter().map(|row| (row.webhook.clone(), row)).collect();
        self.put_in_force(state).await?;
        Err(error)
    }

    async fn put_in_force(&self, state: &State) -> Result<(), EditError> {
        self.reload.manage(Arc::new(state.set.clone())).await?;
        Ok(())
    }

    /// Whether this caller may make this of that. Default headers with credentials go to every URL.
    fn allowed(&self, known: &Definition, new: &Definition, who: &Principal) -> Result<(), EditError> {
        let goes_elsewhere = known.written().get("url") != new.written().get("url");
        let sends_credentials =
            || self.live.load().server.default_headers.iter().any(|(_, value)| value.is_sensitive());
        let may = known.guards_secrets_in(new) && !(goes_elsewhere && sends_credentials());
        if may || who.role.may(Role::Admin) { Ok(()) } else { Err(EditError::NeedsAdmin) }
    }

    fn known(&self, state: &State, id: &WebhookId, asked: &Asked) -> Result<Arc<Managed>, EditError> {
        if self.live.load().in_files.contains(id) {
            return Err(EditError::InFile(id.clone()));
        }
        let managed = state.set.get(id).ok_or_else(|| self.not_managed(id))?;
        match asked.known {
            Some(known) if known != managed.version => Err(EditError::ChangedMeanwhile(id.clone())),
            _ => Ok(Arc::clone(managed)),
        }
    }

    /// One that a file stands before may be removed too, as long as it is the file's that is in force.
    fn to_remove(&self, state: &State, id: &WebhookId, asked: &Asked) -> Result<Arc<Managed>, EditError> {
        let revision = self.live.load();
        let is_the_files = revision.webhooks.get(id).is_some_and(|webhook| webhook.managed().is_none());
        match state.set.get(id) {
            Some(managed) if is_the_files && asked.known.is_none() => Ok(Arc::clone(managed)),
            _ => self.known(state, id, asked),
        }
    }

    fn not_managed(&self, id: &WebhookId) -> EditError {
        let is_there = self.live.load().webhooks.contains_key(id);
        if is_there { EditError::InFile(id.clone()) } else { EditError::Absent(id.clone()) }
    }

    /// Of its name, or of the host it goes to.
    async fn free_id(&self, state: &State, definition: &Definition) -> Result<WebhookId, EditError> {
        let text = |key: &str| definition.written().get(key).and_then(Value::as_str);
        let host = || text("url").and_then(|url| Some(url::Url::parse(url).ok()?.host_str()?.to_owned()));
        let base = slug(&text("name").map(str::to_owned).or_else(host).unwrap_or_default());
        let revision = self.live.load();
        let is_free = |id: &WebhookId| !state.rows.contains_key(id) && !revision.webhooks.contains_key(id);
        let candidates = std::iter::once(base.clone()).chain((2..=MOST_MANAGED + 1).map(|n| format!("{base}-{n}")));
        let ids: Vec<_> = candidates.filter_map(|text| text.parse::<WebhookId>().ok()).filter(is_free).collect();
        for id in ids {
            if self.left_behind(&id).await? == 0 {
                return Ok(id);
            }
        }
        Err(EditError::TooMany)
    }

    /// What is unfinished of an earlier webhook of this id.
    async fn left_behind(&self, id: &WebhookId) -> Result<u64, EditError> {
        let found = self.administration.waiting(vec![id.clone()]).await?;
        Ok(found.iter().map(|found| found.waiting + found.held).sum())
    }

    /// Whoever asks may hang up: what was stored must come into force.
    async fn see_through<T, F>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> F) -> Result<T, EditError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EditError>> + Send + 'static,
    {
        tasks::see_through("managed", OnPanic::Log, work(Arc::clone(self))).await
    }
}
