// The dial: how many noise steps. Over it the strip of outcomes at all levels, under it what plays, compares, shares and runs.
// props.value = {n, T, marks: [n], alpha_bar: float32 in base64}. Letting go sets n in it and triggers 'select'.
// Others learn n from the document: its data-n, and the event 'diffdemo:n' at each change. They may move it: 'diffdemo:show-n' with n
// as detail is like dragging it there.
const find = selector => element.querySelector(selector);
const range = find('input[type=range]'), strip = find('canvas'), bar = find('.outcome-bar'), ticks = find('.ticks'), exact = find('.exact input');
const play = find('.play'), compare = find('.compare'), run = find('.run'), stop = find('.stop'), acts = find('.acts');
const SLOW_MS = 70, KEYS_MS = 450, THUMB = 24, LEAST = 17, LARGE = 40;
let n = 0, T = 1000, dragging = false, settle = null, playing = null, mask = '';

const clamp = value => Math.min(T, Math.max(0, Math.round(value)));
const paint = () => {
  range.value = n; range.style.setProperty('--share', T ? n / T : 0);
  range.setAttribute('aria-valuetext', `${n} of ${T} noise steps`);
  if (document.activeElement !== exact) exact.value = n;
  acts.querySelectorAll('[data-n]').forEach(button => button.setAttribute('aria-pressed', !store.split && +button.dataset.n === n));
  compare.setAttribute('aria-pressed', store.split);
};
const tell = () => { document.documentElement.dataset.n = n; document.dispatchEvent(new Event('diffdemo:n')); };
const show = value => { n = clamp(value); paint(); tell(); };
const unsplit = () => { if (store.split) { store.split = false; announce(); } };
const commit = () => {
  clearTimeout(settle); settle = null;
  props.value = {...props.value, n};
  trigger('select', {index: n, value: null});
};
const set = value => { halt(); unsplit(); show(value); commit(); };

range.addEventListener('pointerdown', () => { dragging = true; });
range.addEventListener('input', () => {
  const wanted = +range.value;  // read first: what follows shows where the dial was
  halt(); unsplit();
  show(dragging ? nearestLevel(wanted) : wanted);
});
range.addEventListener('change', () => { if (dragging) { dragging = false; commit(); } else { clearTimeout(settle); settle = setTimeout(commit, KEYS_MS); } });
['pointerup', 'pointercancel'].forEach(name => range.addEventListener(name, () => setTimeout(() => { dragging = false; })));
range.addEventListener('keydown', event => { if (event.key === 'Enter') { event.preventDefault(); commit(); } });
exact.addEventListener('change', () => {
  const wanted = Number(exact.value);
  if (exact.value !== '' && Number.isInteger(wanted) && wanted >= 0 && wanted <= T) return set(wanted);
  exact.setCustomValidity(`Noise steps: a whole number from 0 to ${T}.`);
  exact.reportValidity();
  exact.setCustomValidity('');
  exact.value = n;
});
document.addEventListener('diffdemo:show-n', event => { unsplit(); show(Number(event.detail)); });

// Play: up through all levels, down again to where the dial was, then the way down that the model took.
const words = text => { play.querySelector('span').textContent = text; play.setAttribute('aria-label', text === 'Play' ? 'Play' : 'Pause'); play.classList.toggle('on', text !== 'Play'); };
const halt = () => {
  if (!playing) return;
  clearTimeout(playing.timer);
  const home = playing.home;
  playing = null;
  words('Play');
  document.dispatchEvent(new Event('diffdemo:down-stop'));
  show(home);
};
const start = () => {
  const levels = [...store.rows.keys()].sort((a, b) => a - b), home = n, at = levels.findIndex(level => level >= home);
  unsplit();
  playing = {timer: null, home, path: [...levels, ...levels.slice(Math.max(0, at)).reverse()], place: 0};
  words('Pause');
  next();
};
const next = () => {
  if (!playing) return;
  if (playing.place >= playing.path.length) { show(playing.home); return document.dispatchEvent(new Event('diffdemo:down')); }
  show(playing.path[playing.place++]);
  playing.timer = setTimeout(next, SLOW_MS);
};
document.addEventListener('diffdemo:down-end', halt);
play.addEventListener('click', () => (playing ? halt() : start()));
document.addEventListener('keydown', event => {
  const other = event.target.closest('input:not([type=range]), textarea, select, button, a, summary, canvas, [role=button], [role=radio]');
  if (event.key !== ' ' || other || !element.offsetParent || play.hidden || document.documentElement.dataset.picking) return;
  event.preventDefault();
  play.click();
});

compare.addEventListener('click', () => { halt(); store.split = !store.split; announce(); paint(); });
acts.addEventListener('click', event => { const button = event.target.closest('button[data-n]'); if (button) set(+button.dataset.n); });
find('.share-result').addEventListener('click', () => document.dispatchEvent(new Event('diffdemo:share')));
const press = id => { const button = document.getElementById(id); if (button) button.click(); };
run.addEventListener('click', () => press('run'));
stop.addEventListener('click', () => press('stop'));
const state = () => {
  const {busy, waiting, unfinished} = document.documentElement.dataset;
  stop.hidden = !busy && !waiting;
  run.classList.toggle('needed', Boolean(unfinished));
  const {text, share} = window.diffdemoStatus || {}, line = find('.status'), fill = find('.status-bar i');
  line.textContent = text || ''; line.hidden = !text;
  fill.style.width = `${100 * (busy && share ? share : 0)}%`;
};
document.addEventListener('diffdemo:busy', state);

// The strip: the first two seeds at as many levels as there is room for; the bar: the share that came back, teal to orange.
const colour = name => getComputedStyle(element).getPropertyValue(name).trim();
const drawStrip = () => {
  const width = strip.clientWidth, rows = store.levels.map(rowAt), count = rows.length, tall = window.innerHeight > 700 ? 2 : 1;
  find('.levels').hidden = !count;
  const each = Math.max(1, Math.ceil(count / Math.max(1, Math.floor(width / LEAST)))), kept = store.levels.filter((_, place) => place % each === 0);
  const side = width / Math.max(1, kept.length), ratio = window.devicePixelRatio || 1, seeds = side > LARGE || !store.base ? 1 : Math.min(tall, store.base.seeds.length);
  const inset = count > 1 ? side / 2 - THUMB / 2 : 0;
  find('.dial').style.setProperty('--inset', `${inset}px`); find('.dial').style.setProperty('--inset-ticks', `${inset + THUMB / 2}px`);
  if (!count || !width) return;
  const known = kept.filter(level => rowAt(level)), look = `${store.key}|${known.join()}|${width}|${ratio}|${seeds}`;
  const tones = [colour('--back'), colour('--changed'), colour('--rule')].join();
  if (`${look}|${tones}` === mask) return;
  mask = `${look}|${tones}`;
  strip.style.height = `${side * seeds}px`;
  strip.width = Math.round(width * ratio); strip.height = Math.round(side * seeds * ratio);
  const context = strip.getContext('2d');
  context.imageSmoothingEnabled = side * ratio < 16;
  kept.forEach((level, place) => {
    const row = rowAt(level);
    for (let seed = 0; row && seed < seeds; seed++) {
      const cell = row.image.width / row.back.length;
      context.drawImage(row.image, seed * cell, row.top, cell, row.height, place * side * ratio, seed * side * ratio, side * ratio, side * ratio);
    }
  });
  bar.replaceChildren();
  store.levels.forEach(level => {
    const row = rowAt(level), piece = tag('i', '', bar);
    if (!row) return;
    const share = row.back.filter(Boolean).length / row.back.length;
    piece.style.background = `color-mix(in srgb, var(--back) ${Math.round(100 * share)}%, var(--changed))`;
  });
  bar.setAttribute('aria-label', describe());
};
const drawTicks = () => {
  const marks = (props.value || {}).marks || [];
  ticks.replaceChildren();
  [0, 0.25, 0.5, 0.75, 1].forEach(share => {
    const level = Math.round(share * T), row = marks.includes(level) && rowAt(level), tick = tag('span', '', ticks, level);
    tick.style.setProperty('--at', share);
    if (row) tag('i', '', tick, `${row.back.filter(Boolean).length} of ${row.back.length} come back`);
  });
};
const describe = () => {
  const rows = store.levels.map(rowAt).filter(Boolean), last = rows.filter(row => mostly(row) === 'back').pop();
  return last ? `Most tries come back up to about ${last.n} of ${T} noise steps` : 'Most tries do not come back';
};
strip.addEventListener('pointerdown', event => {
  const box = strip.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
  set(nearestLevel(share * T));
});

const load = () => {
  const value = props.value || {};
  if (!Number.isInteger(value.n)) return;
  T = value.T; range.max = T; exact.max = T;
  if (typeof value.alpha_bar === 'string') window.diffdemoAlphaBar = decoded(value.alpha_bar, Float32Array);
  acts.querySelectorAll('[data-n]').forEach((button, place) => { button.dataset.n = value.marks[place]; button.textContent = value.marks[place]; });
  n = value.n;
  paint(); tell(); drawTicks(); drawStrip();
};
document.addEventListener(STORE, () => { paint(); drawTicks(); drawStrip(); });
new ResizeObserver(drawStrip).observe(strip);
new MutationObserver(drawStrip).observe(document.body, {attributes: true, attributeFilter: ['class']});
// A bare page opens split; a link opens at its n; ?stage=1 shows the stage alone.
if (window.diffdemoOpened === undefined) {
  window.diffdemoOpened = true;
  const asked = new URLSearchParams(location.search);
  if (asked.get('stage') === '1') document.documentElement.dataset.stage = '1';
  store.split = !['v', 'n', 'kind'].some(name => asked.has(name));
}
watch('value', load);
load();
state();
