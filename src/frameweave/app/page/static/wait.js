// Edit and Estimate wait while a file is on its way to the server, or a stroke is not kept there yet: they would
// take what was there before. `fw-waits` on the page's body says so. What was pressed meanwhile is done then.
"use strict";
(() => {
  if (window.frameweave) return;
  const MOST = 3000; // milliseconds that an uploaded file is waited for: not all of them change what is shown
  const LONGEST = 20000; // milliseconds after which a stroke is taken to be lost
  const SHOWN = "#fw-facts, #fw-mask, #fw-problem, .fw-told";
  let last = 0, next = null, told = false, sends = false, arrives = false, pressed = null;
  const waits = () => sends || arrives || told || next !== null;
  const over = () => { told = false; look(); };
  const send = () => { // one at a time: an answer that comes late would take the place of a later one
    const one = next;
    last += 1;
    [next, told] = [null, true];
    const number = last;
    setTimeout(() => { if (told && number === last) over(); }, LONGEST);
    one(number);
  };
  const look = (changes = []) => {
    const sent = sends;
    sends = Boolean(document.querySelector(".fw-drop .uploading"));
    const shown = changes.some((one) => one.target.closest?.(SHOWN));
    if (sent && !sends) {
      arrives = true;
      setTimeout(() => { arrives = false; look(); }, MOST);
    } else if (shown) arrives = false;
    const failed = changes.some((one) => [...one.addedNodes].some((node) => node.className === "fw-told"));
    if (failed || Number(document.querySelector("#fw-kept")?.textContent || 0) >= last) told = false;
    if (next && !told) setTimeout(() => { if (next && !told) send(); });
    document.body.classList.toggle("fw-waits", waits());
    if (pressed && !waits()) setTimeout(() => { // when Gradio has taken over what has changed
      const button = waits() ? null : pressed;
      if (!button) return;
      pressed = null;
      button.click();
    }, 50);
  };
  window.frameweave = { stroke(tell) { next = tell; look(); } };
  addEventListener("DOMContentLoaded", () => new MutationObserver(look).observe(document.body, { childList: true, subtree: true }));
  addEventListener("click", (event) => {
    const button = event.target.closest?.("#fw-edit, #fw-estimate");
    if (!button || !waits()) return;
    pressed = button;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
})();
