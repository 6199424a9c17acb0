"use strict";
// One clock draws the same frame of all clips; sprites hold all frames of a clip in one picture.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const TRUTH = "true edit";
  const $ = (id) => document.getElementById(id);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const pictures = new Map();
  let shown = [], frame = 0, playing = !still, clock = 0, clip = null;

  const picture = (sprite) => {
    if (!pictures.has(sprite.url)) {
      const image = new Image();
      image.src = sprite.url;
      image.addEventListener("load", draw);
      pictures.set(sprite.url, image);
    }
    return pictures.get(sprite.url);
  };
  const ready = (sprite) => { const image = picture(sprite); return image.complete && image.naturalWidth > 0; };

  const paint = (canvas, sprite, number, left = 0, share = 1) => {
    const context = canvas.getContext("2d");
    const column = number % sprite.columns, row = Math.floor(number / sprite.columns);
    const from = Math.round(left * sprite.width), width = Math.round(share * sprite.width) - from;
    if (width <= 0) return;
    context.drawImage(picture(sprite), column * sprite.width + from, row * sprite.height, width, sprite.height,
      from, 0, width, sprite.height);
  };

  const pixels = (sprite) => {  // every frame's values, read once for slices and heat maps
    if (sprite.pixels) return sprite.pixels;
    const canvas = document.createElement("canvas");
    canvas.width = sprite.width; canvas.height = sprite.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    sprite.pixels = Array.from({ length: sprite.frames }, (_, number) => {
      paint(canvas, sprite, number);
      return context.getImageData(0, 0, sprite.width, sprite.height).data;
    });
    return sprite.pixels;
  };

  const slice = (canvas, sprite) => {
    const frames = pixels(sprite), row = Math.floor(sprite.height / 2) * sprite.width * 4;
    canvas.width = sprite.width; canvas.height = sprite.frames;
    const context = canvas.getContext("2d"), image = context.createImageData(sprite.width, sprite.frames);
    frames.forEach((values, number) =>
      image.data.set(values.subarray(row, row + sprite.width * 4), number * sprite.width * 4));
    context.putImageData(image, 0, 0);
  };

  const heat = (canvas, sprite) => {  // black, red, yellow, white: how much each pixel changes
    const frames = pixels(sprite), context = canvas.getContext("2d");
    canvas.width = sprite.width; canvas.height = sprite.height;
    const image = context.createImageData(sprite.width, sprite.height);
    for (let at = 0; at < image.data.length; at += 4) {
      let sum = 0;
      for (let number = 1; number < frames.length; number++)
        for (let c = 0; c < 3; c++) sum += Math.abs(frames[number][at + c] - frames[number - 1][at + c]);
      const value = Math.min(1, 8 * sum / (765 * Math.max(1, frames.length - 1)));
      image.data.set([255 * Math.min(1, 3 * value), 255 * Math.min(1, Math.max(0, 3 * value - 1)),
        255 * Math.max(0, 3 * value - 2), 255], at);
    }
    context.putImageData(image, 0, 0);
  };

  const panel = (entry) => {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    canvas.width = entry.sprite.width; canvas.height = entry.sprite.height;
    canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", entry.title);
    const caption = document.createElement("figcaption");
    caption.textContent = entry.title;
    if (entry.line) {
      const line = document.createElement("small");
      line.textContent = entry.line;
      caption.append(line);
    }
    const strip = document.createElement("canvas"), change = document.createElement("canvas");
    strip.className = "slice"; change.className = "heat";
    strip.setAttribute("role", "img"); strip.setAttribute("aria-label", `x-t slice, ${entry.title}`);
    change.setAttribute("role", "img"); change.setAttribute("aria-label", `change, ${entry.title}`);
    figure.append(canvas, caption, strip, change);
    return { figure, canvas, strip, change, sprite: entry.sprite, title: entry.title, analysed: false };
  };

  const count = () => Math.max(1, ...shown.map((one) => one.sprite.frames));

  function draw() {
    for (const one of shown) {
      if (!ready(one.sprite)) continue;
      paint(one.canvas, one.sprite, Math.min(frame, one.sprite.frames - 1));
      if (!one.analysed) { one.analysed = true; slice(one.strip, one.sprite); heat(one.change, one.sprite); }
    }
    const left = shown[$("left").selectedIndex], right = shown[$("right").selectedIndex], wipe = $("wipe");
    if (left && right && ready(left.sprite) && ready(right.sprite)) {
      const held = wipe.dataset.held === "yes", at = held ? 0 : Number($("border").value) / 100;
      if (wipe.width !== left.sprite.width || wipe.height !== left.sprite.height) {
        wipe.width = left.sprite.width; wipe.height = left.sprite.height;
      }
      paint(wipe, right.sprite, Math.min(frame, right.sprite.frames - 1));
      if (at > 0) paint(wipe, left.sprite, Math.min(frame, left.sprite.frames - 1), 0, at);
    }
    $("frame").value = frame;
    $("frame-number").textContent = `${frame + 1} / ${count()}`;
    $("players").dataset.frame = frame;
  }

  function choose() {
    clip = data.clips.filter((one) => one.editor === $("editor").value)[$("clip").selectedIndex];
    if (!clip) return;
    $("prompt").textContent = clip.prompt;
    $("source-prompt").textContent = clip.source_prompt || "not told";
    shown = clip.panels.map((entry) => panel({ ...entry, sprite: data.pictures[entry.picture] }));
    $("players").replaceChildren(...shown.map((one) => one.figure));
    for (const [id, standard] of [["left", data.left], ["right", null]]) {
      const index = shown.findIndex((one) => one.title === standard);
      $(id).replaceChildren(...shown.map((one) => new Option(one.title)));
      let edit = Math.min(2, shown.length - 1);
      if (edit > 1 && shown[edit].title === TRUTH) edit--;  // what was made is looked at first
      $(id).selectedIndex = index >= 0 ? index : edit;
    }
    frame = 0;
    $("frame").max = count() - 1;
    draw();
  }

  function list() {
    const own = data.clips.filter((one) => one.editor === $("editor").value), before = clip && clip.prompt;
    $("clip").replaceChildren(...own.map((one) => new Option(
      one.gain === null ? one.prompt : `${one.gain >= 0 ? "+" : "−"}${Math.abs(one.gain).toPrecision(2)}  ${one.prompt}`)));
    $("clip").selectedIndex = Math.max(0, own.findIndex((one) => one.prompt === before));
    choose();
  }

  function play(on) {
    playing = on;
    $("play").textContent = on ? "Pause" : "Play";
    $("play").setAttribute("aria-pressed", String(on));
  }

  function tick(now) {
    const wait = 1000 / (shown[0].sprite.fps * Number($("speed").value));
    if (playing && now - clock >= wait) { clock = now; frame = (frame + 1) % count(); draw(); }
    requestAnimationFrame(tick);
  }

  const hold = (on) => { $("wipe").dataset.held = on ? "yes" : "no"; draw(); };

  if (data.clips.length) {
    const editors = [...new Set(data.clips.map((one) => one.editor))].sort();
    $("editor").replaceChildren(...editors.map((name) => new Option(name)));
    $("editor").addEventListener("change", list);
    $("clip").addEventListener("change", choose);
    $("play").addEventListener("click", () => play(!playing));
    $("frame").addEventListener("input", () => { play(false); frame = Number($("frame").value); draw(); });
    for (const id of ["border", "left", "right"]) $(id).addEventListener("input", draw);
    $("wipe").addEventListener("pointerdown", () => hold(true));
    for (const end of ["pointerup", "pointerleave", "pointercancel"]) $("wipe").addEventListener(end, () => hold(false));
    addEventListener("keydown", (event) => {
      if (event.target.closest("select, input, button") && event.key !== "f") return;
      if (event.key === " ") { event.preventDefault(); play(!playing); }
      if (event.key === "f" && !event.repeat) hold(true);
      if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
        play(false);
        frame = (frame + (event.key === "ArrowRight" ? 1 : count() - 1)) % count();
        draw();
      }
    });
    addEventListener("keyup", (event) => { if (event.key === "f") hold(false); });
    play(playing);
    list();
    requestAnimationFrame(tick);
  } else {
    $("player").hidden = true;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = document.createElement("button");
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        const key = (row) => {
          const cell = row.cells[column];
          return cell.tagName === "TH" ? cell.textContent : cell.dataset.value === undefined ? null : Number(cell.dataset.value);
        };
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const x = key(a), y = key(b);
          if (x === null || y === null) return (x === null) - (y === null);
          return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
        });
        table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        table.tBodies[0].append(...rows);
      });
    });
  }
})();
