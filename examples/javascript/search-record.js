// A Hookwright plugin in JavaScript: turns an entry of the CMS into a small record for a search index.
//
// Models without a rule in the config are not delivered. The receiver learns from the header `x-search-action` whether
// to save the record or to delete it.

/** The config of a webhook; the host checks it against this before anything runs. */
const CONFIG_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    models: {
      description: "What a record is made of, by model",
      type: "object",
      additionalProperties: {
        type: "object",
        properties: {
          title: { description: "The field that names an entry", type: "string" },
          text: { description: "The fields to search in", type: "array", items: { type: "string" } },
        },
        required: ["title"],
        additionalProperties: false,
      },
    },
    maxTextLength: { description: "Longer text is cut", type: "integer", minimum: 1, default: 2000 },
  },
  required: ["models"],
  additionalProperties: false,
};

/** After these, the entry is no longer to be found. */
const GONE = ["entry.delete", "entry.unpublish"];

function describe() {
  return {
    name: "search-record",
    version: "1.0.0",
    description: "Turns entries into records for a search index",
    configSchema: JSON.stringify(CONFIG_SCHEMA),
    attributes: [],
  };
}

function transform(delivery) {
  try {
    return verdict(delivery);
  } catch (error) {
    if (error instanceof Failure) throw error;
    // A mistake in here. Thrown as it is, the host would see an answer of the wrong shape, and not learn what it was.
    console.error(error.stack);
    throw new Failure("exception", String(error));
  }
}

/** What the host calls. */
export const transformer = { describe, transform };

function verdict(delivery) {
  const { models, maxTextLength = 2000 } = JSON.parse(delivery.config);
  const { model, entry } = parse(delivery.data);
  if (!Object.hasOwn(models, model)) {
    return drop(model === undefined ? "the event is of no model" : `no search records of model ${model}`);
  }
  // Strapi 3 and 4 have no documentId.
  const objectID = `${model}:${required(entry, entry?.documentId ? "documentId" : "id")}`;
  if (GONE.includes(delivery.eventType)) {
    return deliver({ objectID }, "delete");
  }

  const { title, text = [] } = models[model];
  const record = {
    objectID,
    title: plainText(required(entry, title)),
    text: text.map((field) => plainText(entry[field])).filter(Boolean).join("\n"),
    updatedAt: entry.updatedAt,
  };
  if (record.text.length > maxTextLength) {
    console.warn(`text of ${record.text.length} characters cut to ${maxTextLength}`);
    record.text = record.text.slice(0, maxTextLength);
  }
  console.log(`record ${objectID}, ${record.text.length} characters to search in`);
  return deliver(record, "save");
}

function parse(data) {
  try {
    return JSON.parse(new TextDecoder().decode(data));
  } catch (error) {
    throw new Failure("not-json", `the payload is not JSON: ${error.message}`);
  }
}

function required(entry, field) {
  const value = entry?.[field];
  if (value === undefined || value === null || value === "") {
    throw new Failure("missing-field", `the entry has no ${field}`);
  }
  return value;
}

/** The words of a text field, or of a rich text field (blocks with children). */
function plainText(value) {
  if (Array.isArray(value)) return value.map(plainText).filter(Boolean).join(" ");
  if (value !== null && typeof value === "object") return plainText(value.text ?? value.children ?? "");
  return String(value ?? "");
}

function deliver(record, action) {
  // The lists have to be there, also when they are empty.
  const changes = {
    data: new TextEncoder().encode(JSON.stringify(record)),
    setHeaders: [{ name: "x-search-action", value: action }],
    removeHeaders: [],
    annotations: [{ name: "record", value: record.objectID }],
    options: [],
  };
  return { tag: "deliver", val: changes };
}

function drop(reason) {
  return { tag: "drop", val: { reason, annotations: [] } };
}

/** Thrown to say that the delivery cannot be decided, and why: `payload` is what the host gets. */
export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.payload = { kind: { tag: "permanent" }, message, code, annotations: [] };
  }
}
