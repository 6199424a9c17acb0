// Plays the videos of a page from one clock, counts how often they were seen, and takes answers by keys.
"use strict";
const videos = [...document.querySelectorAll("[data-player]")];
const form = document.querySelector("[data-answers]");
const send = document.querySelector("[data-send]");
const status = document.querySelector("[data-status]");
const play = document.querySelector("[data-play]");
const slow = document.querySelector("[data-slow]");
const questions = [...form.querySelectorAll("fieldset")];
const leader = videos[0];
const DRIFT = 0.04; // seconds that a video may be beside the first one
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
let loops = 0, current = 0, seen = 0, since = 0, wanted = !still, restarting = false;

function ready(video) {
  return video.readyState >= 3 ? Promise.resolve() : new Promise((done, failed) => {
    video.addEventListener("canplay", done, { once: true });
    video.addEventListener("error", failed, { once: true });
  });
}

function rewound(video) {
  return new Promise((done) => {
    video.addEventListener("seeked", done, { once: true });
    video.currentTime = 0;
  });
}

// Native loops drift apart; here the first video's end starts all of them anew, once all are at their start.
async function restart() {
  if (restarting) return;
  restarting = true;
  videos.forEach((video) => video.pause());
  await Promise.all(videos.map(rewound));
  restarting = false;
  if (wanted) await Promise.all(videos.map((video) => video.play()));
}

function follow() {
  if (!restarting && !leader.paused) {
    for (const video of videos.slice(1)) {
      if (!video.ended && Math.abs(video.currentTime - leader.currentTime) > DRIFT) video.currentTime = leader.currentTime;
    }
  }
  requestAnimationFrame(follow);
}

function refresh() {
  const missing = questions.filter((question) => !question.querySelector("input:checked")).length;
  send.disabled = missing > 0 || loops === 0;
  status.textContent = loops === 0
    ? (wanted ? "Watch the videos once to the end." : "Press Play, and watch the videos once to the end.")
    : missing ? `${missing} ${missing === 1 ? "question is" : "questions are"} left.` : "Enter or Next goes on.";
  questions.forEach((question, index) => question.classList.toggle("current", index === current));
  play.textContent = wanted ? "Pause" : "Play";
}

function toggle() {
  wanted = !wanted;
  if (!wanted) videos.forEach((video) => video.pause());
  else if (leader.ended) restart();
  else videos.forEach((video) => video.play());
  refresh();
}

function answer(side) {
  const input = questions[current].querySelector(`input[value="${side}"]`);
  input.checked = true;
  const open = questions.findIndex((question) => !question.querySelector("input:checked"));
  if (open >= 0) current = open;
  refresh();
}

leader.addEventListener("ended", () => { loops += 1; refresh(); restart(); });
play.addEventListener("click", toggle);
document.querySelector("[data-replay]").addEventListener("click", () => { wanted = true; refresh(); restart(); });
slow.addEventListener("click", () => {
  const half = slow.getAttribute("aria-pressed") !== "true";
  slow.setAttribute("aria-pressed", String(half));
  videos.forEach((video) => { video.playbackRate = half ? 0.5 : 1; });
});
questions.forEach((question, index) => question.addEventListener("focusin", () => { current = index; refresh(); }));
form.addEventListener("change", refresh);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) seen += performance.now() - since;
  else since = performance.now();
});
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("a, summary, button, input[type=checkbox]")) return;
  const number = Number(event.key);
  if (number >= 1 && number <= questions.length) { current = number - 1; refresh(); }
  else if (event.key === "ArrowLeft") { answer("left"); event.preventDefault(); }
  else if (event.key === "ArrowRight") { answer("right"); event.preventDefault(); }
  else if (event.key === " ") { toggle(); event.preventDefault(); }
  else if (event.key === "Enter" && !send.disabled) { form.requestSubmit(send); event.preventDefault(); }
});
let sent = false;
form.addEventListener("submit", (event) => {
  if (sent || send.disabled) { event.preventDefault(); return; }
  sent = true;
  form.elements.milliseconds.value = Math.round(seen + performance.now() - since);
  form.elements.loops.value = loops;
});
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

document.querySelector("[data-controls]").hidden = false;
refresh();
Promise.all(videos.map(ready)).then(() => {
  since = performance.now();
  restart();
  follow();
  const next = document.querySelector("[data-following]");
  if (next) {
    for (const which of videos.length > 2 ? ["left", "right", "source"] : ["left", "right"]) {
      const video = document.createElement("video");
      video.preload = "auto";
      video.muted = true;
      video.src = `media/${next.dataset.following}/${which}.mp4`;
      next.append(video);
    }
  }
}).catch(() => { status.textContent = "A video cannot be played. Load the page again, or use another browser."; });
