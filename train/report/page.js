// Draws the page from the data above it. One epoch is selected: all curves mark it and tell their
// values there, and the photos are those of that epoch.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const epochs = column('epoch');
  const last = epochs.length - 1;
  if (last < 0) return;

  const MARGIN = {left: 46, names: 86, top: 18, bottom: 26};
  const NARROW = 420;  // pixels; narrower charts have no room for names beside the curves

  // --- Data.
  function column(name) {
    const at = data.columns.indexOf(name);
    return at < 0 ? [] : data.rows.map((row) => row[at]);
  }
  const present = (value) => value !== null && value !== undefined;

  // "0.0888", "1.2e-5": fixed digits where they say something.
  function written(value, digits) {
    if (!present(value)) return '-';
    if (value !== 0 && Math.abs(value) < 0.5 * 10 ** -digits) return value.toExponential(1);
    return value.toFixed(digits);
  }

  // --- Elements.
  function element(parent, name, attributes, text) {
    const inSvg = name === 'svg' || parent.namespaceURI === 'http://www.w3.org/2000/svg';
    const node = inSvg ? document.createElementNS('http://www.w3.org/2000/svg', name)
                       : document.createElement(name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  }
  const line = (parent, kind, x1, y1, x2, y2) => element(parent, 'line', {class: kind, x1, y1, x2, y2});

  // --- Axes.
  // Round numbers, about `count` of them, that cover from .. to or nearly so.
  function linearTicks(from, to, count) {
    const rough = (to - from) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((s) => s * power >= rough * 0.999) * power;
    const ticks = [];
    for (let i = Math.ceil(from / step - 1e-6); i * step <= to + step * 1e-6; ++i) ticks.push(i * step);
    const digits = Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9)));
    return ticks.map((value) => ({value, text: value.toFixed(digits).replace(/^-0(\.0*)?$/, '0')}));
  }
  function logTicks(from, to) {
    const decades = Math.log10(to / from);
    if (decades < 0.7) return linearTicks(from, to, 4);
    const ticks = [];
    for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); ++power) {
      for (const factor of decades < 1.5 ? [1, 2, 5] : [1]) {
        const value = factor * 10 ** power;
        if (value < from * 0.999 || value > to * 1.001) continue;
        const text = power < -3 || power > 4 ? `${factor}e${power}` : value.toFixed(Math.max(0, -power));
        ticks.push({value, text});
      }
    }
    const skip = Math.ceil(ticks.length / 5);
    return ticks.filter((_, i) => i % skip === 0);
  }

  // What a figure's axis covers: all values, what the figure asks for, and some air.
  function valueRange(figure, series) {
    const values = series.flat().filter((v) => present(v) && (!figure.logarithmic || v > 0));
    if (figure.logarithmic) {
      if (!values.length) values.push(1);
      const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
      const from = low === high ? low / 2 : low, to = low === high ? high * 2 : high;
      return [from / 1.15, to * 1.15];
    }
    let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    const air = (high - low || Math.abs(high) || 1) * 0.08;
    low = present(figure.from) && figure.from <= low ? figure.from : low - air;
    high = present(figure.to) && figure.to >= high ? figure.to : high + air;
    return [low, high];
  }

  // Pixels for an epoch. A single epoch stands in the middle.
  function epochScale(left, right) {
    const first = epochs[0], span = epochs[last] - first;
    return (epoch) => span > 0 ? left + (right - left) * (epoch - first) / span : (left + right) / 2;
  }

  function drawEpochAxis(svg, x, left, right, bottom) {
    line(svg, 'axis', left, bottom, right, bottom);
    const whole = linearTicks(epochs[0], Math.max(epochs[last], epochs[0] + 1), Math.max(2, (right - left) / 70))
        .filter((tick) => Number.isInteger(tick.value) && tick.value >= 1 && tick.value <= epochs[last]);
    if (!whole.some((tick) => tick.value === epochs[0])) whole.push({value: epochs[0], text: String(epochs[0])});
    const taken = [];
    for (const tick of whole.reverse()) {
      const at = x(tick.value);
      if (taken.some((other) => Math.abs(other - at) < 32)) continue;
      taken.push(at);
      line(svg, 'axis', at, bottom, at, bottom + 4);
      element(svg, 'text', {x: at, y: bottom + 17, 'text-anchor': 'middle'}, tick.text);
    }
    if (right + 30 < svg.viewBox.baseVal.width) element(svg, 'text', {x: right + 14, y: bottom + 17}, 'epoch');
    for (const event of data.events) {
      const at = x(event.epoch);
      element(svg, 'path', {class: 'event', d: `M${at} ${bottom - 4}l4 4l-4 4l-4 -4z`});
    }
  }

  function drawPhases(svg, x, top, bottom) {
    for (const phase of data.phases.slice(1)) {
      const at = x(phase.from - 0.5);
      line(svg, 'phase', at, top, at, bottom);
    }
  }

  // --- One chart. Returns what the selection needs to know of it.
  function chart(figure, parent) {
    const series = figure.curves.map((curve) => column(curve.column));
    const box = element(parent, 'div', {class: 'chart'});
    element(box, 'h3', {}, figure.title);
    element(box, 'p', {class: 'note'}, figure.note);
    const readout = element(box, 'p', {class: 'readout'});
    const numbers = figure.curves.map((curve, i) => {
      const entry = element(readout, 'span', {});
      const swatch = element(entry, 'svg', {'aria-hidden': 'true', viewBox: '0 0 22 8'});
      line(swatch, `curve s${i + 1}`, 0, 4, 22, 4);
      entry.append(curve.label + ' ');
      return element(entry, 'b', {});
    });
    const svg = element(box, 'svg', {role: 'img', tabindex: 0});
    let x = () => 0, cursor = null, dots = [];

    function draw() {
      const width = Math.max(svg.clientWidth || box.clientWidth, 200), height = 196;
      const names = width >= NARROW;
      const left = MARGIN.left, right = width - (names ? MARGIN.names : 12);
      const top = MARGIN.top, bottom = height - MARGIN.bottom;
      svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
      svg.setAttribute('height', height);
      svg.replaceChildren();
      x = epochScale(left, right);

      const [low, high] = valueRange(figure, series);
      const at = figure.logarithmic ? Math.log : (v) => v;
      const y = (v) => bottom - (bottom - top) * (at(v) - at(low)) / (at(high) - at(low));
      const visible = (v) => present(v) && v >= low && v <= high;

      if (present(figure.bandFrom) && figure.bandFrom < high && figure.bandTo > low) {
        const from = y(Math.min(figure.bandTo, high)), to = y(Math.max(figure.bandFrom, low));
        element(svg, 'rect', {class: 'healthy', x: left, y: from, width: right - left, height: to - from});
      }
      for (const tick of figure.logarithmic ? logTicks(low, high) : linearTicks(low, high, 5)) {
        line(svg, 'grid', left, y(tick.value), right, y(tick.value));
        element(svg, 'text', {x: left - 8, y: y(tick.value) + 4, 'text-anchor': 'end'}, tick.text);
      }
      if (visible(figure.line)) line(svg, 'ideal', left, y(figure.line), right, y(figure.line));
      drawPhases(svg, x, top, bottom);
      drawEpochAxis(svg, x, left, right, bottom);

      if (figure.marksBest && data.best >= 0) {
        const best = x(epochs[data.best]);
        line(svg, 'best', best, top, best, bottom);
        const anchor = best > right - 30 ? 'end' : best < left + 30 ? 'start' : 'middle';
        element(svg, 'text', {x: best, y: top - 6, 'text-anchor': anchor}, 'best');
      }
      series.forEach((values, s) => {
        let path = '', drawing = false;
        values.forEach((value, i) => {
          if (!present(value) || (figure.logarithmic && value <= 0)) { drawing = false; return; }
          // A point without neighbours is a line of no length, which round ends make a dot.
          path += drawing ? `L${x(epochs[i]).toFixed(1)} ${y(value).toFixed(1)}`
                          : `M${x(epochs[i]).toFixed(1)} ${y(value).toFixed(1)}h.01`;
          drawing = true;
        });
        element(svg, 'path', {class: `curve s${s + 1}`, d: path});
        if (figure.marksBest && data.best >= 0 && present(values[data.best])) {
          element(svg, 'circle', {class: `ring s${s + 1}`, r: 4, cx: x(epochs[data.best]), cy: y(values[data.best])});
        }
      });
      if (names) drawNames(right + 8, y, top, bottom);
      cursor = line(svg, 'cursor', 0, top, 0, bottom);
      dots = series.map((_, s) => element(svg, 'circle', {class: `ring s${s + 1}`, r: 3.5}));
      dots.y = y;
    }

    // Each curve's name where it ends, moved apart where they would touch.
    function drawNames(left, y, top, bottom) {
      const ends = series.map((values, s) => {
        const value = values.filter(present).pop();
        return {s, y: present(value) && (!figure.logarithmic || value > 0) ? y(value) : bottom};
      }).sort((a, b) => a.y - b.y);
      ends.forEach((end, i) => { end.y = Math.max(end.y, i ? ends[i - 1].y + 14 : top); });
      for (let i = ends.length - 1, limit = bottom; i >= 0; --i, limit -= 14) ends[i].y = Math.min(ends[i].y, limit);
      for (const end of ends) {
        element(svg, 'text', {class: `name t${end.s + 1}`, x: left, y: end.y + 4}, figure.curves[end.s].label);
      }
    }

    function show(index) {
      series.forEach((values, s) => {
        numbers[s].textContent = written(values[index], figure.digits);
        const value = values[index], drawn = present(value) && (!figure.logarithmic || value > 0);
        dots[s].setAttribute('visibility', drawn ? 'visible' : 'hidden');
        if (drawn) {
          dots[s].setAttribute('cx', x(epochs[index]));
          dots[s].setAttribute('cy', dots.y(value));
        }
      });
      cursor.setAttribute('x1', x(epochs[index]));
      cursor.setAttribute('x2', x(epochs[index]));
      const said = figure.curves.map((curve, s) => `${curve.label} ${written(series[s][index], figure.digits)}`);
      svg.setAttribute('aria-label', `${figure.title}, ${figure.note}. Epoch ${epochs[index]}: ${said.join(', ')}`);
    }

    listen(svg, () => x);
    return {draw, show};
  }

  // --- Phases and events on the time axis.
  function timeline(parent) {
    const box = element(parent, 'div', {class: 'chart wide'});
    element(box, 'h3', {}, 'Course of the run');
    const readout = element(box, 'p', {class: 'readout', 'aria-live': 'polite'});
    const svg = element(box, 'svg', {role: 'img', tabindex: 0});
    let x = () => 0, cursor = null;
    function draw() {
      const width = Math.max(svg.clientWidth || box.clientWidth, 200), height = 62, top = 6, bottom = 36;
      svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
      svg.setAttribute('height', height);
      svg.replaceChildren();
      const left = MARGIN.left, right = width - (width >= NARROW ? MARGIN.names : 12);
      x = epochScale(left, right);
      data.phases.forEach((phase, i) => {
        const from = i ? x(phase.from - 0.5) : left;
        const to = i + 1 < data.phases.length ? x(data.phases[i + 1].from - 0.5) : right;
        element(svg, 'rect', {class: i % 2 ? 'band alone' : 'band', x: from, y: top, width: Math.max(to - from, 1), height: 20});
        if (to - from > 8 * phase.name.length) element(svg, 'text', {class: 'on-band', x: from + 6, y: top + 14}, phase.name);
      });
      drawEpochAxis(svg, x, left, right, bottom);
      cursor = line(svg, 'cursor', 0, top, 0, bottom);
    }
    function show(index) {
      const epoch = epochs[index];
      const phase = data.phases.find((p) => epoch >= p.from && epoch <= p.to);
      const texts = data.events.filter((event) => event.epoch === epoch).map((event) => event.text);
      readout.textContent = `Epoch ${epoch}` + (phase ? `, ${phase.name}` : '') + (texts.length ? ': ' + texts.join('; ') : '');
      svg.setAttribute('aria-label', 'Course of the run. ' + readout.textContent);
      cursor.setAttribute('x1', x(epoch));
      cursor.setAttribute('x2', x(epoch));
    }
    listen(svg, () => x);
    return {draw, show};
  }

  // --- Photos.
  function album() {
    const samples = data.samples;
    if (!samples.outputs.length) return {show() {}};
    document.getElementById('photos').hidden = false;
    const grid = document.getElementById('album'), slider = document.getElementById('epoch');
    const shown = document.getElementById('epoch-shown');
    const rows = [['gray', samples.gray], ['output', null], ['truth', samples.truth]];
    const wide = matchMedia('(min-width: 721px)');
    let outputs = [], current = -1;
    // Side by side on a phone, one below the other where there is room: the order of the elements
    // differs, their places are the grid's.
    function build() {
      grid.replaceChildren();
      grid.style.setProperty('--photos', samples.photos);
      outputs = [];
      const tile = (row, i) => {
        const image = element(grid, 'img', {alt: `photo ${i + 1}, ${row[0]}`});
        image.style.objectPosition = samples.photos > 1 ? `${100 * i / (samples.photos - 1)}% 0` : '0 0';
        if (row[1]) image.src = row[1]; else outputs.push(image);
      };
      const all = Array.from({length: samples.photos}, (_, i) => i);
      if (wide.matches) {
        for (const row of rows) {
          element(grid, 'span', {}, row[0]);
          for (const i of all) tile(row, i);
        }
      } else {
        for (const row of rows) element(grid, 'span', {}, row[0]);
        for (const i of all) for (const row of rows) tile(row, i);
      }
      current = -1;
    }
    wide.addEventListener('change', () => { build(); show(selected); });
    slider.max = samples.outputs.length - 1;
    slider.addEventListener('input', () => select(epochs.indexOf(samples.outputs[+slider.value].epoch)));
    document.getElementById('to-last').addEventListener('click', () => select(last));
    const best = document.getElementById('to-best');
    best.hidden = data.best < 0;
    best.addEventListener('click', () => select(data.best));

    // The photos of that epoch, or of the one before it that has some.
    function show(index) {
      let at = 0;
      while (at + 1 < samples.outputs.length && samples.outputs[at + 1].epoch <= epochs[index]) ++at;
      if (at === current) return;
      current = at;
      const sample = samples.outputs[at];
      for (const image of outputs) image.src = sample.image;
      slider.value = at;
      slider.setAttribute('aria-valuetext', `epoch ${sample.epoch}`);
      shown.textContent = sample.epoch + (data.best >= 0 && epochs[data.best] === sample.epoch ? ' (best)' : '');
    }
    build();
    return {show};
  }

  // --- The selection. While the mouse points at a chart, its epoch is shown instead.
  let views = [], selected = last;
  function show(index) { for (const view of views) view.show(index); }
  function select(index) {
    selected = Math.max(0, Math.min(last, index));
    show(selected);
  }
  function listen(svg, scale) {
    const nearest = (event) => {
      const x = scale(), pointed = event.clientX - svg.getBoundingClientRect().left;
      let best = 0;
      epochs.forEach((epoch, i) => { if (Math.abs(x(epoch) - pointed) < Math.abs(x(epochs[best]) - pointed)) best = i; });
      return best;
    };
    svg.addEventListener('pointermove', (event) => show(nearest(event)));
    svg.addEventListener('pointerleave', () => show(selected));
    svg.addEventListener('click', (event) => select(nearest(event)));
    svg.addEventListener('keydown', (event) => {
      const to = {ArrowLeft: selected - 1, ArrowRight: selected + 1, Home: 0, End: last}[event.key];
      if (to === undefined) return;
      event.preventDefault();
      select(to);
    });
  }

  // --- Everything.
  document.getElementById('curves').hidden = false;
  if (data.best < 0) document.querySelector('.key-best').hidden = true;
  if (!data.events.length) document.querySelector('.key-event').hidden = true;
  const groups = document.getElementById('groups');
  const charts = [];
  if (data.phases.length || data.events.length) {
    charts.push(timeline(element(groups, 'div', {class: 'charts'})));
  }
  let group = null, place = null;
  for (const figure of data.figures) {
    if (figure.group !== group) {
      group = figure.group;
      element(groups, 'h3', {class: 'group'}, group);
      place = element(groups, 'div', {class: 'charts'});
    }
    charts.push(chart(figure, place));
  }
  views = [...charts, album()];
  let width = 0;
  function redraw() {
    if (groups.clientWidth === width) return;
    width = groups.clientWidth;
    for (const view of charts) view.draw();
    show(selected);
  }
  redraw();
  new ResizeObserver(redraw).observe(groups);
})();
