// Edit and Estimate wait while a file is on its way to the server, or a stroke is not kept there yet: they would
// take what was there before. `fw-waits` on the page's body says so.
"use strict";
(() => {
  if (window.frameweave) return;
  const MOST = 3000; // milliseconds that an uploaded file is waited for: not all of them change what is shown
  const SHOWN = "#fw-facts, #fw-mask, #fw-problem, .fw-told";
  let last = 0, sends = false, arrives = false;
  const look = (changes = []) => {
    const sent = sends;
    sends = Boolean(document.querySelector(".fw-drop .uploading"));
    if (sent && !sends) {
      arrives = true;
      setTimeout(() => { arrives = false; look(); }, MOST);
    } else if (changes.some((one) => one.target.closest?.(SHOWN))) arrives = false;
    const kept = Number(document.querySelector("#fw-kept")?.textContent || 0);
    document.body.classList.toggle("fw-waits", sends || arrives || kept < last);
  };
  window.frameweave = { stroke() { last += 1; setTimeout(look); return last; } };
  addEventListener("DOMContentLoaded", () => new MutationObserver(look).observe(document.body, { childList: true, subtree: true }));
  addEventListener("click", (event) => {
    if (!document.body.classList.contains("fw-waits") || !event.target.closest?.("#fw-edit, #fw-estimate")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
})();
