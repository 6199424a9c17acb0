// <fw-wipe>: two videos over each other, played as one, with a border that can be moved.
// data-videos holds them as JSON, [{title, url}]; data-left and data-right are the two that are shown at first.
"use strict";
(() => {
  if (customElements.get("fw-wipe")) return;
  const DRIFT = 0.04; // seconds that the right video may be beside the left one
  const LOOK = `
    :host { display: block; color: var(--body-text-color); font: inherit; }
    .stage { position: relative; background: var(--background-fill-secondary); border-radius: var(--radius-md);
      overflow: hidden; line-height: 0; touch-action: pan-y; cursor: ew-resize; aspect-ratio: var(--shape, 3 / 2);
      width: min(100%, calc(min(48vh, 440px) * var(--shape, 3 / 2))); margin: 0 auto; }
    .stage video { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain;
      background: var(--background-fill-secondary); }
    .line { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: #fff;
      box-shadow: 0 0 0 1px #0008; pointer-events: none; }
    .name { position: absolute; bottom: 8px; padding: 2px 8px; border-radius: 4px; background: #000b; color: #fff;
      font-size: 12px; line-height: 1.5; max-width: 45%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
      pointer-events: none; }
    .name.left { left: 8px; } .name.right { right: 8px; }
    .bar { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-top: 8px; }
    .bar input[type=range] { flex: 1 1 120px; min-width: 80px; accent-color: var(--color-accent); height: 24px; }
    .count { font-variant-numeric: tabular-nums; font-size: 13px; min-width: 64px; text-align: right;
      color: var(--body-text-color-subdued); }
    button, select { min-height: 36px; padding: 0 12px; border-radius: var(--radius-sm); font: inherit; font-size: 14px;
      border: 1px solid var(--fw-edge); background: var(--button-secondary-background-fill);
      color: var(--button-secondary-text-color); cursor: pointer; }
    button[aria-pressed=true] { border-color: var(--color-accent); box-shadow: inset 0 0 0 1px var(--color-accent); }
    :focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
    label { display: flex; gap: 8px; align-items: center; flex: 1 1 200px; min-width: 0; font-size: 14px;
      color: var(--body-text-color-subdued); }
    select { flex: 1; min-width: 0; text-overflow: ellipsis; }
    .wide { flex-basis: 100%; }
    [hidden] { display: none; }
    @media (max-width: 640px) { button, select { min-height: 44px; } }`;
  const BODY = `
    <div class="stage" part="stage">
      <video playsinline muted preload="auto" data-which="right"></video>
      <video playsinline muted preload="auto" data-which="left"></video>
      <span class="line"></span><span class="name left"></span><span class="name right"></span>
    </div>
    <div class="bar"><label class="wide">Border
      <input type="range" min="0" max="100" value="50" step="1" data-do="border" aria-label="Border between left and right, in percent">
    </label></div>
    <div class="bar">
      <button type="button" data-do="play" aria-pressed="false">Play</button>
      <button type="button" data-do="back" aria-label="One frame back">◂</button>
      <button type="button" data-do="on" aria-label="One frame on">▸</button>
      <input type="range" min="0" max="0" value="0" step="1" data-do="frame" aria-label="Frame">
      <span class="count"></span>
      <button type="button" data-do="sound" aria-pressed="false">Sound</button>
    </div>
    <div class="bar" data-choice>
      <label>Left <select data-do="left"></select></label>
      <label>Right <select data-do="right"></select></label>
    </div>`;

  class Wipe extends HTMLElement {
    static observedAttributes = ["data-videos"];

    connectedCallback() {
      if (!this.shadowRoot) {
        const root = this.attachShadow({ mode: "open" });
        const style = document.createElement("style");
        style.textContent = LOOK;
        root.innerHTML = BODY;
        root.prepend(style);
        this.left = root.querySelector("video[data-which=left]");
        this.right = root.querySelector("video[data-which=right]");
        this.listen(root);
        this.sources();
      }
      this.alive = true;
      const tick = () => { if (this.alive) { this.follow(); requestAnimationFrame(tick); } };
      requestAnimationFrame(tick);
    }

    disconnectedCallback() { this.alive = false; }

    attributeChangedCallback() { if (this.shadowRoot) this.sources(); }

    get(what) { return this.shadowRoot.querySelector(`[data-do=${what}]`); }

    get fps() { return Number(this.dataset.fps) || 25; }

    get length() { // seconds that both have
      return Math.min(this.left.duration || 0, this.right.duration || Infinity);
    }

    get frames() { // by their times where they are known: frames may last differently
      if (!this.times.length) return Math.max(1, Math.round(this.length * this.fps));
      return Math.max(1, this.times.filter((time) => time < this.length - 1e-3).length);
    }

    sources() {
      this.videos = JSON.parse(this.dataset.videos || "[]");
      this.times = JSON.parse(this.dataset.times || "[]");
      this.shadowRoot.querySelector(".stage").style.removeProperty("--shape");
      this.shadowRoot.querySelector(".count").textContent = "";
      for (const side of ["left", "right"]) {
        const choice = this.get(side);
        choice.replaceChildren(...this.videos.map((one, index) => new Option(one.title, index)));
        choice.selectedIndex = Math.min(Number(this.dataset[side]) || 0, this.videos.length - 1);
        this.choose(side);
      }
      this.shadowRoot.querySelector("[data-choice]").hidden = this.videos.length < 3;
      this.border(50);
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.play(!still);
    }

    choose(side) {
      const one = this.videos[this.get(side).selectedIndex];
      if (!one) return;
      const video = this[side], at = this.left.currentTime || 0;
      video.src = one.url;
      video.currentTime = at;
      video.setAttribute("aria-label", one.title);
      this.shadowRoot.querySelector(`.name.${side}`).textContent = one.title;
      if (this.wanted) video.play().catch(() => {});
    }

    listen(root) {
      root.addEventListener("click", (event) => {
        const what = event.target.dataset.do;
        if (what === "play") this.play(!this.wanted);
        if (what === "back") this.step(-1);
        if (what === "on") this.step(1);
        if (what === "sound") {
          this.right.muted = !this.right.muted;
          event.target.setAttribute("aria-pressed", String(!this.right.muted));
        }
      });
      root.addEventListener("input", (event) => {
        const what = event.target.dataset.do;
        if (what === "border") this.border(Number(event.target.value));
        if (what === "frame") { this.play(false); this.seek(Number(event.target.value)); }
        if (what === "left" || what === "right") this.choose(what);
      });
      const stage = root.querySelector(".stage");
      const drag = (event) => {
        const box = stage.getBoundingClientRect();
        this.border(Math.min(100, Math.max(0, 100 * (event.clientX - box.left) / box.width)));
      };
      stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); drag(event); });
      stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) drag(event); });
      for (const side of ["left", "right"]) this[side].addEventListener("error", () => {
        this.shadowRoot.querySelector(`.name.${side}`).textContent = `${this[side].getAttribute("aria-label")}: no longer there`;
      });
      this.left.addEventListener("ended", () => this.again());
      this.left.addEventListener("loadedmetadata", () => {
        const { videoWidth, videoHeight } = this.left;
        root.querySelector(".stage").style.setProperty("--shape", `${videoWidth} / ${videoHeight}`);
        if (this.wanted) this.play(true);
      });
    }

    border(percent) {
      this.get("border").value = percent;
      this.left.style.clipPath = `inset(0 ${100 - percent}% 0 0)`;
      this.shadowRoot.querySelector(".line").style.left = `${percent}%`;
    }

    play(on) {
      this.wanted = on;
      for (const video of [this.left, this.right]) on ? video.play().catch(() => {}) : video.pause();
      this.get("play").textContent = on ? "Pause" : "Play";
      this.get("play").setAttribute("aria-pressed", String(on));
    }

    again() {
      this.left.currentTime = 0;
      this.right.currentTime = 0;
      if (this.wanted) this.play(true);
    }

    frame() {
      const now = this.left.currentTime + 1e-3, { times } = this;
      const found = times.length ? times.filter((time) => time <= now).length - 1 : Math.floor(now * this.fps);
      return Math.max(0, Math.min(this.frames - 1, found));
    }

    step(by) {
      const now = this.frame();
      this.play(false);
      this.seek((now + by + this.frames) % this.frames);
    }

    seek(frame) { // the middle of a frame: its borders are not exact in every player
      const { times, fps } = this;
      const begins = times.length ? times[frame] : frame / fps;
      const ends = frame + 1 < times.length ? times[frame + 1] : begins + 1 / fps;
      for (const video of [this.left, this.right]) video.currentTime = (begins + ends) / 2;
    }

    follow() {
      const { left, right } = this;
      if (!left.paused && !right.ended && right.readyState > 1 && Math.abs(right.currentTime - left.currentTime) > DRIFT)
        right.currentTime = left.currentTime;
      if (!left.duration) return;
      if (!left.paused && left.currentTime >= this.length) this.again();
      this.get("frame").max = this.frames - 1;
      this.get("frame").value = this.frame();
      this.shadowRoot.querySelector(".count").textContent = `${this.frame() + 1} / ${this.frames}`;
      this.dataset.frame = this.frame();
    }
  }
  customElements.define("fw-wipe", Wipe);

  // [data-copy] copies the text of the element that it names, and says so
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy).textContent;
    const before = button.textContent;
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
    catch { button.textContent = "Select and copy the text yourself"; }
    setTimeout(() => { button.textContent = before; }, 1500);
  });
})();
