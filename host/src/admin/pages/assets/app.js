// What pages cannot do without a script; without it they only lose these comforts.

// What only works with a script is shown only with one.
document.documentElement.classList.add("js");

// Live pages: `/live` says that something happened, and whatever has hx-trigger="live from:body" asks for itself anew.
// Not while the page is hidden: browsers allow few connections to one host.
(() => {
  const path = document.body.dataset.live;
  if (!path) return;
  let source = null;
  const isPaused = () => document.querySelector("[data-live-pause]:checked") !== null;
  const show = (state) => {
    for (const element of document.querySelectorAll("[data-live-state]")) {
      if (element.dataset.liveState === state) continue;
      element.dataset.liveState = state;
      element.textContent = { on: "Live", off: "Paused", away: "Reconnecting…" }[state];
    }
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  const follow = () => {
    if (document.hidden || isPaused()) {
      close();
      show("off");
      return;
    }
    if (source) return;
    source = new EventSource(path);
    source.addEventListener("open", () => show("on"));
    source.addEventListener("error", () => {
      show("away");
      // Closed for good (signed out, or the host is gone): try again, but not at once.
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(follow, 3000);
      }
    });
    source.addEventListener("changed", () => {
      if (!isPaused()) document.body.dispatchEvent(new CustomEvent("live"));
    });
  };
  document.addEventListener("visibilitychange", follow);
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-live-pause]")) follow();
  });
  // A page that is left has no use for its connection.
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", follow);
})();

// When a part of a page is made anew, what somebody opened stays open, what they typed stays typed, and rows that came stand
// out for a moment.
if (window.Idiomorph) {
  const { callbacks } = Idiomorph.defaults;
  const isTouched = (node) =>
    node.matches?.("input, textarea") && (node.value !== node.defaultValue || node.checked !== node.defaultChecked);
  callbacks.beforeNodeMorphed = (node) => !isTouched(node);
  callbacks.beforeAttributeUpdated = (name, element) => !(name === "open" && element.tagName === "DETAILS");
  callbacks.afterNodeAdded = (node) => {
    if (node.tagName === "TR") node.classList.add("fresh");
  };
}

// <button data-copy="text">: puts the text into the clipboard.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select it and copy";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
});

// <input type="checkbox" data-all="name">: ticks all boxes of that group in its form.
document.addEventListener("change", (event) => {
  const box = event.target.closest("[data-all]");
  if (!box) return;
  for (const other of box.form.querySelectorAll(`[data-group~="${box.dataset.all}"]`)) other.checked = box.checked;
});

// <select data-submit>: chosen is sent.
document.addEventListener("change", (event) => {
  const chosen = event.target.closest("[data-submit]");
  if (chosen) chosen.form.requestSubmit();
});
