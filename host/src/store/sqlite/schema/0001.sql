-- Times are milliseconds since 1970. Ids are 16 bytes and sort by time, so that inserts append.

-- Accepted events. A rowid table, because bodies do not fit well into the tree of a key.
CREATE TABLE events (
    seq          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE,
    type         TEXT NOT NULL,
    source       TEXT NOT NULL,
    received     INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    headers      TEXT NOT NULL,  -- JSON
    attributes   TEXT,           -- JSON: the context of a CloudEvent
    deliveries   BLOB NOT NULL,  -- ids of its deliveries, one after the other: spares an index on two tables
    data         BLOB NOT NULL
) STRICT;

-- Unfinished deliveries.
CREATE TABLE queue (
    id         BLOB NOT NULL PRIMARY KEY,
    event      BLOB NOT NULL,
    webhook    TEXT NOT NULL,
    lane_key   TEXT NOT NULL,
    state      TEXT NOT NULL,    -- pending, retrying, held
    created    INTEGER NOT NULL,
    changed    INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    owner      INTEGER,          -- the epoch of who has it leased
    fence      INTEGER NOT NULL, -- number of leases so far
    attempts   INTEGER NOT NULL,
    runs       INTEGER NOT NULL,
    held_for   TEXT,
    reason     TEXT,
    chain      TEXT,             -- JSON; its rewritten payload is in `rewritten`
    rewritten  INTEGER,
    chain_sent INTEGER NOT NULL, -- 1: an attempt was made with this chain's outcome, so it is fixed
    place      INTEGER,          -- in the order of its lane; none: unordered, or it gave its place up
    behind     INTEGER NOT NULL DEFAULT 0, -- 1: one with a lower place in its lane is unfinished
    debounced  INTEGER NOT NULL DEFAULT 0, -- 1: `windows` has a row of it
    crashes    INTEGER NOT NULL DEFAULT 0, -- how often the host died while it was worked on
    replay_of  BLOB              -- the delivery it repeats
) STRICT, WITHOUT ROWID;

-- What can be claimed, lane by lane. A delivery that is born leased and delivered at once never enters it.
CREATE INDEX queue_ready ON queue (webhook, lane_key, due) WHERE owner IS NULL AND held_for IS NULL AND behind = 0;
CREATE INDEX queue_held ON queue (webhook, held_for) WHERE held_for IS NOT NULL;
CREATE INDEX queue_behind ON queue (webhook) WHERE behind = 1 AND held_for IS NULL;
-- The order of each lane that has one, leased and held deliveries included.
CREATE INDEX queue_places ON queue (webhook, lane_key, place) WHERE place IS NOT NULL;

-- Debounced deliveries: what they gathered, or are gathering.
CREATE TABLE windows (
    delivery BLOB NOT NULL PRIMARY KEY,
    webhook  TEXT NOT NULL,
    key      TEXT NOT NULL,
    open     INTEGER NOT NULL,   -- 1: takes more events
    latest   INTEGER NOT NULL,   -- when it closes, however many come
    count    INTEGER NOT NULL,
    members  BLOB NOT NULL       -- ids of the newest events, oldest first, one after the other; capped
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX windows_open ON windows (webhook, key) WHERE open = 1;

-- Finished deliveries, one after the other as they finished: a commit fills whole pages.
CREATE TABLE deliveries (
    seq       INTEGER PRIMARY KEY,
    id        BLOB NOT NULL UNIQUE,
    event     BLOB NOT NULL,
    webhook   TEXT NOT NULL,
    state     TEXT NOT NULL,     -- delivered, dropped, superseded, failed
    created   INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    runs      INTEGER NOT NULL,
    reason    TEXT,
    chain     TEXT,              -- JSON; its rewritten payload is in `rewritten`
    attempt   TEXT,              -- JSON: the last one. Most deliveries have no other, and spare a row in `attempts`
    rewritten BLOB,              -- the payload as plugins rewrote it
    replay_of BLOB               -- the delivery it repeats
) STRICT;

-- What people look for in history.
CREATE INDEX deliveries_undelivered ON deliveries (state, id) WHERE state <> 'delivered';

-- Which deliveries were replayed. Few are, so these stay small.
CREATE INDEX queue_replays ON queue (replay_of) WHERE replay_of IS NOT NULL;
CREATE INDEX deliveries_replays ON deliveries (replay_of) WHERE replay_of IS NOT NULL;

-- Payloads of unfinished deliveries as plugins rewrote them.
CREATE TABLE rewritten (
    seq  INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- Attempts after which a delivery was not finished.
CREATE TABLE attempts (
    seq      INTEGER PRIMARY KEY,
    delivery BLOB NOT NULL,
    record   TEXT NOT NULL       -- JSON
) STRICT;

CREATE INDEX attempts_delivery ON attempts (delivery);

-- Idempotency keys.
CREATE TABLE idempotency (
    seq      INTEGER PRIMARY KEY,
    source   TEXT NOT NULL,
    key      TEXT NOT NULL,
    digest   BLOB NOT NULL,
    event    BLOB NOT NULL,
    received INTEGER NOT NULL,
    UNIQUE (source, key)
) STRICT;

-- What is to be forgotten first.
CREATE INDEX idempotency_received ON idempotency (received);

-- Refused bodies.
CREATE TABLE quarantine (
    seq             INTEGER PRIMARY KEY,
    id              BLOB NOT NULL UNIQUE,
    source          TEXT NOT NULL,
    received        INTEGER NOT NULL,
    content_type    TEXT NOT NULL,
    headers         TEXT NOT NULL,
    idempotency_key TEXT,
    problem         TEXT NOT NULL,
    size            INTEGER NOT NULL, -- bytes of everything of variable length
    data            BLOB NOT NULL
) STRICT;

CREATE TABLE run_states (
    webhook TEXT NOT NULL,
    kind    TEXT NOT NULL,       -- gone, paused, disabled, failing
    since   INTEGER NOT NULL,
    by      TEXT NOT NULL,
    url     TEXT NOT NULL,       -- digest of the URL it was set for
    PRIMARY KEY (webhook, kind)
) STRICT, WITHOUT ROWID;

-- Webhooks that are managed over the API, not by files.
CREATE TABLE managed (
    webhook    TEXT NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    changed    INTEGER NOT NULL,
    definition TEXT NOT NULL,    -- JSON in the form of a file, with references to secrets
    sealed     BLOB NOT NULL,    -- the secrets, encrypted and bound to this row; empty: there are none
    retiring   TEXT NOT NULL,    -- JSON: which signing secrets go when
    key        TEXT UNIQUE,      -- the idempotency key it was made with
    key_digest BLOB              -- of what was sent with that key
) STRICT, WITHOUT ROWID;

-- Who changed what. AUTOINCREMENT: a number is never given twice.
CREATE TABLE changes (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    action  TEXT NOT NULL,       -- webhook.update
    subject TEXT NOT NULL,       -- what was changed: the id of a webhook
    was     TEXT,                -- JSON; none: it was not there, or there is nothing to compare
    becomes TEXT                 -- JSON
) STRICT;

-- Tokens that were made over the API: of each its digest only.
CREATE TABLE tokens (
    id         BLOB NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE, -- SHA-256
    created    INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires    INTEGER,
    last_used  INTEGER,
    revoked    INTEGER,
    source     TEXT,                 -- what it posts as, if its role is source
    events     TEXT                  -- JSON: the patterns it is limited to
) STRICT, WITHOUT ROWID;

-- Who may hold leases. AUTOINCREMENT: an epoch is never given twice.
CREATE TABLE owners (
    epoch INTEGER PRIMARY KEY AUTOINCREMENT,
    seen  INTEGER NOT NULL
) STRICT;

-- One row, kept in the commit of what it counts.
CREATE TABLE counters (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    events           INTEGER NOT NULL DEFAULT 0,
    pending          INTEGER NOT NULL DEFAULT 0,
    retrying         INTEGER NOT NULL DEFAULT 0,
    held             INTEGER NOT NULL DEFAULT 0,
    delivered        INTEGER NOT NULL DEFAULT 0,
    dropped          INTEGER NOT NULL DEFAULT 0,
    superseded       INTEGER NOT NULL DEFAULT 0,
    failed           INTEGER NOT NULL DEFAULT 0,
    quarantined      INTEGER NOT NULL DEFAULT 0,
    quarantine_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO counters (id) VALUES (1);
