"use strict";
(() => {
  const maps = JSON.parse(document.getElementById("maps").textContent);
  const root = document.documentElement;
  const pictures = document.getElementById("pictures");
  const counted = new Intl.NumberFormat("en");
  let bits = [], colours = {};

  /* First bit of every layer: its levels, then its windows. */
  let next = 0;
  for (const layer of maps.layers) {
    layer.first = next;
    layer.firstWindow = next + layer.planes * layer.channels * layer.side ** 2;
    next = layer.firstWindow + (layer.window ? maps.windows.length * layer.channels * layer.window ** 2 : 0);
  }

  const unpack = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const bit = at => bits[at >> 3] >> (at & 7) & 1;

  /* The values of one map: levels of a layer, or spikes of one of its windows. */
  function levels(layer) {
    const size = layer.channels * layer.side ** 2, values = new Uint8Array(size);
    for (let plane = 0; plane < layer.planes; plane++)
      for (let i = 0; i < size; i++) values[i] |= bit(layer.first + plane * size + i) << plane;
    return values;
  }
  function windowSpikes(layer, index) {
    const size = layer.channels * layer.window ** 2;
    return Uint8Array.from({ length: size }, (_, i) => bit(layer.firstWindow + index * size + i));
  }

  /* Fills a canvas; shade(x, y) is 0 to 1, or -1 for nothing. */
  function paint(canvas, width, height, shade) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let y = 0, at = 0; y < height; y++)
      for (let x = 0; x < width; x++, at += 4) {
        const share = shade(x, y);
        if (share < 0) continue;
        for (let c = 0; c < 3; c++)
          image.data[at + c] = colours.silent[c] + share * (colours.spike[c] - colours.silent[c]);
        image.data[at + 3] = 255;
      }
    context.putImageData(image, 0, 0);
  }

  /* All channels of a map as tiles, in reading order. */
  function tiles(canvas, values, channels, side, top) {
    const columns = Math.min(channels, Math.ceil(Math.sqrt(channels * 1.6)));
    const scale = Math.max(1, Math.floor(1100 / (columns * side))), gap = Math.max(3, scale >> 1);
    const step = side * scale + gap, rows = Math.ceil(channels / columns);
    paint(canvas, columns * step - gap, rows * step - gap, (x, y) => {
      const channel = Math.floor(y / step) * columns + Math.floor(x / step);
      const inX = Math.floor(x % step / scale), inY = Math.floor(y % step / scale);
      if (channel >= channels || inX >= side || inY >= side) return -1;
      return values[(channel * side + inY) * side + inX] / top;
    });
  }

  function picture(kind, name, values, channels, side, top) {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const canvas = document.createElement("canvas"), strong = document.createElement("b");
    const fired = values.reduce((sum, value) => sum + (value > 0), 0);
    figure.className = kind;
    strong.textContent = name;
    caption.append(strong, ` ${counted.format(fired)} of ${counted.format(values.length)} neurons fired; ` +
      `${channels} channels of ${side} × ${side}`);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name}: a tile per channel, bright where its neurons fired`);
    tiles(canvas, values, channels, side, top);
    figure.append(caption, canvas);
    pictures.append(figure);
  }

  function drawLayer() {
    const layer = maps.layers[document.querySelector("#layers input:checked").value];
    pictures.replaceChildren();
    picture("whole", `${layer.name}, whole map`, levels(layer), layer.channels, layer.side, layer.top);
    if (layer.window)
      maps.windows.forEach((name, index) =>
        picture("window", `Window ${name}`, windowSpikes(layer, index), layer.channels, layer.window, 1));
  }

  function drawImage() {
    const chosen = Number(document.querySelector("#images input:checked").value);
    document.querySelectorAll("article").forEach((article, index) => { article.hidden = index !== chosen; });
    bits = unpack(maps.images[chosen]);
    document.querySelectorAll("#layers label").forEach((label, index) => {
      const layer = maps.layers[index], values = levels(layer), area = layer.side ** 2;
      const sums = new Float64Array(area);
      values.forEach((value, i) => { sums[i % area] += value; });
      const most = Math.max(1, ...sums), fired = values.reduce((sum, value) => sum + (value > 0), 0);
      paint(label.querySelector("canvas"), layer.side, layer.side, (x, y) => sums[y * layer.side + x] / most);
      label.querySelector(".rate").textContent = `${(100 * fired / values.length).toFixed(1)} % fired`;
    });
    drawLayer();
  }

  function drawAll() {
    const style = getComputedStyle(root);
    for (const name of ["spike", "silent"])
      colours[name] = style.getPropertyValue(`--${name}`).trim().split(" ").map(Number);
    drawImage();
  }

  if (!maps.images.length) return;
  root.classList.add("js");
  document.getElementById("images").addEventListener("change", drawImage);
  document.getElementById("layers").addEventListener("change", drawLayer);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
