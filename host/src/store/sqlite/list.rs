//! Lists for people, newest first. Each call looks at a bounded number of rows in the order of their ids, whether they fit or
//! not, and says where to go on. Times become bounds of ids, so what is older or newer is not looked at.

use rusqlite::{Connection, params};

use super::forget::type_of;
use super::look::{self, EVENT, STATE, WEBHOOK, judged_columns};
use super::rows::Fields;
use crate::clock::Timestamp;
use crate::delivery::{DeliveryView, State};
use crate::ids::{DeliveryId, EventId};
use crate::pattern::EventPattern;
use crate::store::{DeliveryFilter, EventFilter, EventHead, PAGE_BYTES, PAGE_ROWS, Page, StoreError};

/// Rows looked at: some milliseconds, of which a list of what is rare takes many in a row.
const LOOK_ROWS: usize = 5_000;

pub(super) fn deliveries(
    connection: &Connection,
    filter: &DeliveryFilter,
    before: Option<DeliveryId>,
    limit: usize,
) -> Result<Page<DeliveryView, DeliveryId>, StoreError> {
    let mut statement = connection.prepare_cached(&deliveries_sql(filter.state))?;
    let first = |time| DeliveryId::first_at(time).to_bytes();
    let [low, high] = bounds(filter.since, filter.until, before.map(DeliveryId::to_bytes), first);
    let mut rows = statement.query(params![low, high, look_rows()])?;
    let (mut list, mut types) = (List::new(limit), Types { connection, last: None });
    while list.goes_on() {
        let Some(row) = rows.next()? else { return Ok(list.ended()) };
        let fields = Fields::new("deliveries", row);
        let id = fields.id(0, DeliveryId::from_bytes)?;
        list.look(id);
        // Only what is wanted is read whole.
        if is_wanted(&mut types, fields, filter)?
            && let Some((view, bytes)) = look::listed(connection, id)?
        {
            list.take(view, bytes);
        }
    }
    Ok(list.cut())
}

/// Whether events are of a type. The deliveries of one event stand together.
struct Types<'c> {
    connection: &'c Connection,
    last: Option<(EventId, bool)>,
}

impl Types<'_> {
    fn fits(&mut self, event: EventId, pattern: &EventPattern) -> Result<bool, StoreError> {
        if let Some((last, fits)) = self.last
            && last == event
        {
            return Ok(fits);
        }
        let fits = type_of(self.connection, event)?.is_some_and(|event_type| pattern.matches(&event_type));
        self.last = Some((event, fits));
        Ok(fits)
    }
}

fn is_wanted(types: &mut Types<'_>, fields: Fields<'_, '_>, filter: &DeliveryFilter) -> Result<bool, StoreError> {
    let DeliveryFilter { webhook, state, event_type, since: _, until: _ } = filter;
    if let Some(state) = state
        && fields.text(STATE)? != state.as_str()
    {
        return Ok(false);
    }
    if let Some(webhook) = webhook
        && fields.text(WEBHOOK)? != webhook.as_str()
    {
        return Ok(false);
    }
    let Some(pattern) = event_type else { return Ok(true) };
    types.fits(fields.id(EVENT, EventId::from_bytes)?, pattern)
}

pub(super) fn event_heads(
    connection: &Connection,
    filter: &EventFilter,
    before: Option<EventId>,
    limit: usize,
) -> Result<Page<EventHead, EventId>, StoreError> {
    let EventFilter { event_type, source, since, until } = filter;
    let mut statement = connection.prepare_cached(EVENT_HEADS)?;
    let first = |time| EventId::first_at(time).to_bytes();
    let [low, high] = bounds(*since, *until, before.map(EventId::to_bytes), first);
    let mut rows = statement.query(params![low, high, look_rows()])?;
    let mut list = List::new(limit);
    while list.goes_on() {
        let Some(row) = rows.next()? else { return Ok(list.ended()) };
        let fields = Fields::new("events", row);
        list.look(fields.id(0, EventId::from_bytes)?);
        let head = head(fields)?;
        let is_wanted = event_type.as_ref().is_none_or(|pattern| pattern.matches(&head.event_type))
            && source.as_ref().is_none_or(|source| *source == head.source);
        if is_wanted {
            let headers: Vec<(String, String)> = fields.json(5)?;
            let attributes: Vec<(String, String)> = fields.optional_json(7)?.unwrap_or_default();
            let texts = headers.iter().chain(&attributes);
            let bytes = texts.map(|(name, value)| name.len() + value.len()).sum();
            list.take(EventHead { headers, attributes, ..head }, bytes);
        }
    }
    Ok(list.cut())
}

/// Without its headers and attributes.
fn head(fields: Fields<'_, '_>) -> Result<EventHead, StoreError> {
    Ok(EventHead {
        id: fields.id(0, EventId::from_bytes)?,
        event_type: fields.parse(1)?,
        source: fields.parse(2)?,
        received: fields.time(3)?,
        content_type: fields.text(4)?.to_owned(),
        headers: Vec::new(),
        attributes: Vec::new(),
        bytes: usize::try_from(fields.get::<i64>(6)?).unwrap_or(usize::MAX),
    })
}

/// The lowest id that is meant, and the one above the highest.
fn bounds(
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    before: Option<[u8; 16]>,
    first: impl Fn(Timestamp) -> [u8; 16],
) -> [[u8; 16]; 2] {
    let until = until.map_or([0xff; 16], &first);
    [since.map_or([0; 16], &first), before.unwrap_or([0xff; 16]).min(until)]
}

fn look_rows() -> i64 {
    i64::try_from(LOOK_ROWS).unwrap_or(i64::MAX)
}

/// A page in the making.
struct List<T, Id> {
    found: Vec<T>,
    limit: usize,
    bytes: usize,
    looked: usize,
    last: Option<Id>,
}

impl<T, Id: Copy> List<T, Id> {
    fn new(limit: usize) -> Self {
        Self { found: Vec::new(), limit: limit.min(PAGE_ROWS), bytes: 0, looked: 0, last: None }
    }

    fn goes_on(&self) -> bool {
        self.found.len() < self.limit && self.bytes < PAGE_BYTES
    }

    fn look(&mut self, id: Id) {
        (self.looked, self.last) = (self.looked + 1, Some(id));
    }

    fn take(&mut self, one: T, bytes: usize) {
        self.found.push(one);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// It is full; there may be more.
    fn cut(self) -> Page<T, Id> {
        Page { found: self.found, next: self.last }
    }

    /// No row came any more: because none is left, or because enough were looked at.
    fn ended(self) -> Page<T, Id> {
        Page { next: self.last.filter(|_| self.looked >= LOOK_ROWS), found: self.found }
    }
}

/// Both tables are read in the order of their keys and merged: the cost follows the rows that are looked at.
fn deliveries_sql(state: Option<State>) -> String {
    let wanted = "WHERE id >= ?1 AND id < ?2";
    let queue = format!("SELECT {} FROM queue {wanted}", judged_columns!());
    let history = format!("SELECT {} FROM deliveries {wanted}", judged_columns!());
    let from = match state {
        None => format!("{queue} UNION ALL {history}"),
        Some(State::Delivered) => history,
        // Said twice, so that the partial index of these is used.
        Some(state) if state.is_finished() => format!("{history} AND state = '{state}' AND state <> 'delivered'"),
        Some(_) => queue,
    };
    format!("{from} ORDER BY id DESC LIMIT ?3")
}

const EVENT_HEADS: &str = "SELECT id, type, source, received, content_type, headers, length(data), attributes FROM events \
     WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";

#[cfg(test)]
mod tests {
    use super::super::schema::tests::{fresh, plan};
    use super::*;

    #[test]
    fn no_list_sorts_or_reads_all() {
        let connection = fresh();
        for state in [None, Some(State::Held), Some(State::Delivered), Some(State::Failed)] {
            let plan = plan(&connection, &deliveries_sql(state));
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{state:?}: {plan}");
            assert!(plan.contains("id>? AND id<?"), "{state:?}: {plan}");
        }
        assert!(plan(&connection, &deliveries_sql(Some(State::Failed))).contains("deliveries_undelivered"));
        let heads = plan(&connection, EVENT_HEADS);
        assert_eq!(heads, "SEARCH events USING INDEX sqlite_autoindex_events_1 (id>? AND id<?)");
    }

    #[test]
    fn what_is_rare_is_looked_for_step_by_step() {
        let connection = fresh();
        let id = |number: usize| EventId::first_at(Timestamp::from_ms(i64::try_from(number).expect("small")));
        connection.execute_batch("BEGIN").expect("begins");
        let sql = "INSERT INTO events (id, type, source, received, content_type, headers, deliveries, data) \
             VALUES (?1, ?2, 'strapi', ?3, 'application/json', '[]', x'', x'')";
        let mut insert = connection.prepare(sql).expect("prepares");
        for number in 1..=LOOK_ROWS + 10 {
            let event_type = if number == 3 { "rare.one" } else { "entry.create" };
            insert.execute(params![id(number).to_bytes(), event_type, number.cast_signed()]).expect("inserts");
        }
        let filter = EventFilter { event_type: Some("rare.*".parse().expect("a pattern")), ..EventFilter::default() };
        let first = event_heads(&connection, &filter, None, 5).expect("looks");
        assert_eq!(first, Page { found: vec![], next: Some(id(11)) });
        let second = event_heads(&connection, &filter, first.next, 5).expect("looks");
        assert_eq!((second.found.len(), second.next), (1, None));
        let since = EventFilter { since: Some(Timestamp::from_ms(4)), ..filter };
        let none = event_heads(&connection, &since, Some(id(11)), 5).expect("looks");
        assert_eq!(none, Page { found: vec![], next: None });
    }
}
