// What the server refuses to do, or fails at, is told on top of the page: Gradio shows errors of its queue only.
"use strict";
(() => {
  if (window.frameweaveProblems) return;
  window.frameweaveProblems = true;
  const show = (text) => {
    document.querySelector(".fw-told")?.remove();
    const box = Object.assign(document.createElement("div"), { className: "fw-told" });
    const close = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
    box.setAttribute("role", "alert");
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => box.remove());
    box.append(Object.assign(document.createElement("p"), { textContent: text }), close);
    document.querySelector(".gradio-container").append(box); // where the page's colours hold
  };
  const ask = window.fetch;
  window.fetch = async (...given) => {
    const answer = await ask(...given);
    if (answer.status === 500 && /\/run\//.test(answer.url))
      answer.clone().json().then(({ error }) => show(error || "Something went wrong. The server's log says more."), () => {});
    return answer;
  };
})();
