// <fw-mask>: a frame to paint on. data-frame is its address, data-mask that of a mask to go on with.
// After each stroke it tells a "painted" event with the mask: a PNG, white where something is painted.
"use strict";
(() => {
  if (customElements.get("fw-mask")) return;
  const PAINT = "#e63c78", SMALLEST = 512, KEPT = 20; // pixels of the longer side; strokes that can be undone
  const LOOK = `
    :host { display: block; font: inherit; color: var(--body-text-color); }
    .stage { position: relative; line-height: 0; border-radius: var(--radius-md); overflow: hidden;
      background: var(--background-fill-secondary); touch-action: none; cursor: crosshair; }
    img { width: 100%; max-height: 420px; object-fit: contain; }
    canvas { position: absolute; inset: 0; margin: auto; opacity: .6; }
    .bar { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-top: 8px; }
    label { display: flex; gap: 8px; align-items: center; flex: 1 1 140px; font-size: 14px;
      color: var(--body-text-color-subdued); }
    input { flex: 1; min-width: 60px; height: 24px; accent-color: var(--color-accent); }
    button { min-height: 36px; padding: 0 12px; border-radius: var(--radius-sm); font: inherit; font-size: 14px;
      border: 1px solid var(--fw-edge); background: var(--block-background-fill); color: var(--body-text-color);
      cursor: pointer; }
    button[aria-pressed=true] { border-color: var(--color-accent); box-shadow: inset 0 0 0 1px var(--color-accent); }
    :focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
    @media (max-width: 640px) { button { min-height: 44px; } }`;
  const BODY = `
    <div class="stage"><img alt="The frame to paint on"><canvas></canvas></div>
    <div class="bar">
      <button type="button" data-do="brush" aria-pressed="true">Brush</button>
      <button type="button" data-do="eraser" aria-pressed="false">Eraser</button>
      <label>Size <input type="range" min="1" max="40" value="10" aria-label="Size of the brush, in percent"></label>
      <button type="button" data-do="undo">Undo</button>
      <button type="button" data-do="clear">Clear</button>
    </div>`;

  class Mask extends HTMLElement {
    static observedAttributes = ["data-frame", "data-mask"];

    connectedCallback() {
      if (this.shadowRoot) return;
      const root = this.attachShadow({ mode: "open" });
      const style = document.createElement("style");
      style.textContent = LOOK;
      root.innerHTML = BODY;
      root.prepend(style);
      this.image = root.querySelector("img");
      this.canvas = root.querySelector("canvas");
      this.context = this.canvas.getContext("2d", { willReadFrequently: true });
      this.before = [];
      this.image.addEventListener("load", () => this.begin());
      new ResizeObserver(() => this.fit()).observe(this.image);
      root.querySelector(".bar").addEventListener("click", (event) => this.press(event.target.dataset.do));
      const stage = root.querySelector(".stage");
      stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); this.keep(); this.stroke(event); });
      stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) this.stroke(event); });
      stage.addEventListener("lostpointercapture", () => { this.last = null; this.tell(); });
      this.image.src = this.dataset.frame;
    }

    attributeChangedCallback(name) {
      if (this.shadowRoot && this.image.getAttribute("src") !== this.dataset.frame) this.image.src = this.dataset.frame;
      else if (this.shadowRoot && name === "data-mask") this.begin();
    }

    begin() { // a canvas that is large enough to paint on, with the mask that is there already
      const { naturalWidth: width, naturalHeight: height } = this.image;
      const factor = Math.max(1, Math.ceil(SMALLEST / Math.max(width, height)));
      this.canvas.width = width * factor;
      this.canvas.height = height * factor;
      this.before = [];
      this.fit();
      if (!this.dataset.mask) return;
      const mask = new Image();
      mask.addEventListener("load", () => {
        this.context.drawImage(mask, 0, 0, this.canvas.width, this.canvas.height);
        const pixels = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
        for (let at = 0; at < pixels.data.length; at += 4)
          pixels.data.set(pixels.data[at] > 127 ? [230, 60, 120, 255] : [0, 0, 0, 0], at);
        this.context.putImageData(pixels, 0, 0);
      });
      mask.src = this.dataset.mask;
    }

    fit() { // the canvas lies on the picture inside the image's box
      const scale = Math.min(this.image.clientWidth / this.image.naturalWidth, this.image.clientHeight / this.image.naturalHeight);
      this.canvas.style.width = `${this.image.naturalWidth * scale}px`;
      this.canvas.style.height = `${this.image.naturalHeight * scale}px`;
    }

    press(what) {
      const { width, height } = this.canvas;
      if (what === "brush" || what === "eraser") {
        for (const one of ["brush", "eraser"])
          this.shadowRoot.querySelector(`[data-do=${one}]`).setAttribute("aria-pressed", String(one === what));
      } else if (what === "clear") {
        this.keep();
        this.context.clearRect(0, 0, width, height);
        this.tell();
      } else if (what === "undo" && this.before.length) {
        this.context.putImageData(this.before.pop(), 0, 0);
        this.tell();
      }
    }

    keep() {
      this.before.push(this.context.getImageData(0, 0, this.canvas.width, this.canvas.height));
      if (this.before.length > KEPT) this.before.shift();
    }

    stroke(event) {
      const box = this.canvas.getBoundingClientRect(), { context, canvas } = this;
      const x = (event.clientX - box.left) / box.width * canvas.width, y = (event.clientY - box.top) / box.height * canvas.height;
      const size = Number(this.shadowRoot.querySelector("input").value) / 100 * Math.max(canvas.width, canvas.height);
      const erases = this.shadowRoot.querySelector("[data-do=eraser]").getAttribute("aria-pressed") === "true";
      context.globalCompositeOperation = erases ? "destination-out" : "source-over";
      context.strokeStyle = PAINT;
      context.lineCap = context.lineJoin = "round";
      context.lineWidth = size;
      context.beginPath();
      context.moveTo(...(this.last || [x, y]));
      context.lineTo(x, y);
      context.stroke();
      this.last = [x, y];
      context.globalCompositeOperation = "source-over";
    }

    tell() {
      const { width, height } = this.canvas, made = document.createElement("canvas");
      made.width = width;
      made.height = height;
      const pixels = this.context.getImageData(0, 0, width, height);
      let any = false;
      for (let at = 0; at < pixels.data.length; at += 4) {
        const lit = pixels.data[at + 3] > 0;
        any = any || lit;
        pixels.data.set(lit ? [255, 255, 255, 255] : [0, 0, 0, 255], at);
      }
      const context = made.getContext("2d");
      context.putImageData(pixels, 0, 0);
      const mask = any ? made.toDataURL("image/png") : "";
      window.frameweave.stroke((number) => // see wait.js
        this.dispatchEvent(new CustomEvent("painted", { bubbles: true, composed: true, detail: { mask, number } })));
    }
  }
  customElements.define("fw-mask", Mask);
})();
