// `npm test`: plain Node, no WebAssembly.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Failure, transformer } from "./search-record.js";

const { describe, transform } = transformer;

const warn = mock.method(console, "warn", () => {});
const error = mock.method(console, "error", () => {});
mock.method(console, "log", () => {});

const CONFIG = { models: { article: { title: "headline", text: ["teaser", "body"] } } };

function delivery(event, config = CONFIG) {
  return {
    eventId: "evt_1",
    deliveryId: "dlv_1",
    eventType: event.event ?? "entry.publish",
    source: "strapi",
    receivedMs: 0n,
    run: 1,
    webhook: { id: "search", name: "Search", labels: [] },
    attributes: [],
    headers: [],
    contentType: "application/json",
    data: new TextEncoder().encode(typeof event === "string" ? event : JSON.stringify(event)),
    config: JSON.stringify(config),
  };
}

function delivered(verdict) {
  assert.equal(verdict.tag, "deliver");
  const { data, setHeaders } = verdict.val;
  return { record: JSON.parse(new TextDecoder().decode(data)), headers: setHeaders };
}

test("an entry becomes a record", () => {
  const body = [{ type: "paragraph", children: [{ type: "text", text: "Once" }, { type: "text", text: "more" }] }];
  const entry = { id: 7, documentId: "abc", headline: "News", teaser: "Short", body, updatedAt: "2026-01-01" };
  const { record, headers } = delivered(transform(delivery({ model: "article", entry })));
  assert.deepEqual(record, {
    objectID: "article:abc",
    title: "News",
    text: "Short\nOnce more",
    updatedAt: "2026-01-01",
  });
  assert.deepEqual(headers, [{ name: "x-search-action", value: "save" }]);
});

test("text is cut to what the config allows", () => {
  const entry = { id: 7, headline: "News", body: "long text" };
  const { record } = delivered(transform(delivery({ model: "article", entry }, { ...CONFIG, maxTextLength: 4 })));
  assert.equal(record.text, "long");
  assert.deepEqual(warn.mock.calls.at(-1).arguments, ["text of 9 characters cut to 4"]);
});

test("what is no longer there is deleted", () => {
  const event = { event: "entry.unpublish", model: "article", entry: { id: 7 } };
  const { record, headers } = delivered(transform(delivery(event)));
  assert.deepEqual(record, { objectID: "article:7" });
  assert.equal(headers[0].value, "delete");
});

test("events of other models are dropped", () => {
  for (const [event, reason] of [
    [{ model: "page", entry: {} }, "no search records of model page"],
    [{ model: "constructor", entry: {} }, "no search records of model constructor"],
    [{ media: {} }, "the event is of no model"],
  ]) {
    assert.deepEqual(transform(delivery(event)), { tag: "drop", val: { reason, annotations: [] } });
  }
});

test("what cannot be decided fails with a code", () => {
  for (const [event, code] of [
    [{ model: "article", entry: { id: 7 } }, "missing-field"],
    [{ model: "article" }, "missing-field"],
    ["<xml/>", "not-json"],
    ["null", "exception"],
  ]) {
    assert.throws(
      () => transform(delivery(event)),
      (thrown) => thrown instanceof Failure && thrown.payload.code === code && thrown.payload.kind.tag === "permanent",
    );
  }
  assert.match(error.mock.calls.at(-1).arguments[0], /^TypeError: /);
});

test("the manifest has a schema of the config", () => {
  const { name, configSchema } = describe();
  assert.equal(name, "search-record");
  assert.deepEqual(JSON.parse(configSchema).required, ["models"]);
});
