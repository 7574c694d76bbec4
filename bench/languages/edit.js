// The work of the bench in JavaScript: one value of an event replaced.

function describe() {
  return { name: "edit", version: "1.0.0", description: "Edits one value", configSchema: "", attributes: [] };
}

function transform(delivery) {
  const event = JSON.parse(new TextDecoder().decode(delivery.data));
  event.entry.email = "***";
  const data = new TextEncoder().encode(JSON.stringify(event));
  return { tag: "deliver", val: { data, setHeaders: [], removeHeaders: [], annotations: [], options: [] } };
}

export const transformer = { describe, transform };
