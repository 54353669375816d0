// The stage: the picture, and a pair for each seed: x_n over what it leads back to. At the result's own n the pairs are the result's;
// at any other n they are outcomes (outcomes-store.js), with x_n added up here. Split, the first half shows one level, the second another.
// props.value = {n, key, query, said, picture, items: [{noise, reconstruction, back, …}], legend}; see words.py.
const scene = element.querySelector('.scene'), detail = element.querySelector('.detail');
const SPLIT = 4, FRAME_MS = 380;
let chosen = 0, cells = [], shown = null, picture0 = null, way = null;

const value = () => props.value || {};
const items = () => (Array.isArray(value().items) ? value().items : []);
const finished = () => items().length > 0 && items()[0].back !== null;
const seeds = () => (store.base ? store.base.seeds : items().map(item => item.seed));
const outcome = back => (back === true ? 'back' : back === false ? 'changed' : 'open');

// x_n = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps, as the server computes it; false where its parts are not here.
const drawNoisy = (canvas, seed, n) => {
  const base = store.base, alpha = window.diffdemoAlphaBar;
  if (!base || !base.noise || !picture0 || !alpha || !(n < alpha.length)) return false;
  const {width, height} = base, count = width * height, channels = base.shape[0];
  if (picture0.width !== width || picture0.height !== height) return false;
  const signal = base.pure ? 0 : Math.sqrt(alpha[n]), spread = base.pure ? 1 : Math.sqrt(1 - alpha[n]);
  fit(canvas, width, height);
  const context = canvas.getContext('2d'), pixels = context.createImageData(width, height), start = seed * channels * count;
  for (let i = 0; i < count; i++) for (let c = 0; c < 3; c++) {
    const eps = base.noise[start + (channels === 3 ? c : 0) * count + i];
    pixels.data[4 * i + c] = (signal * (picture0.data[4 * i + c] / 127.5 - 1) + spread * eps + 1) * 127.5;
  }
  for (let i = 0; i < count; i++) pixels.data[4 * i + 3] = 255;
  context.putImageData(pixels, 0, 0);
  return true;
};
const drawSource = (canvas, src) => {
  if (!isPng(src) || canvas.dataset.src === src) return;
  canvas.dataset.src = src;
  const image = new Image();
  image.onload = () => {
    if (canvas.dataset.src !== src) return;
    fit(canvas, image.width, image.height);
    canvas.getContext('2d').drawImage(image, 0, 0);
  };
  image.src = src;
};

// What one cell shows at n: from the result, from an outcome, or the nearest outcome so far.
const exact = n => finished() && n === value().n && value().key === store.key;
const show = (cell, n) => {
  const own = exact(n) || (n === value().n && !rowAt(n)), item = items()[cell.seed], row = rowAt(n) || nearestRow(n);
  const back = own ? item && item.back : row ? row.back[cell.seed] : null, kept = own ? item && item.count : row && row.kept ? row.kept[cell.seed] : null;
  const drawn = drawNoisy(cell.noise, cell.seed, n);
  if (drawn) delete cell.noise.dataset.src;
  else if (own && item) drawSource(cell.noise, item.noise);
  else if (row && row.noisy) { delete cell.noise.dataset.src; drawCell(cell.noise, {...row, image: row.noisy, top: 0, height: row.noisy.height}, cell.seed); }
  if (own && item) drawSource(cell.reconstruction, item.reconstruction);
  else { delete cell.reconstruction.dataset.src; if (row) drawCell(cell.reconstruction, row, cell.seed); else clear(cell.reconstruction); }
  cell.pair.className = `pair ${outcome(back)}${cell.seed === chosen ? ' chosen' : ''}`;
  const number = Number.isInteger(kept) ? ` ${kept}` : '', mark = back === null ? '…' : back ? '✓' : '≠';
  cell.verdict.textContent = `${mark}${number}`;
  const word = back === null ? 'not known yet' : back ? 'came back' : 'another picture';
  cell.pair.setAttribute('aria-label', `Seed ${seeds()[cell.seed]}, ${n} steps of noise: ${word}${number ? `, ${kept} features kept` : ''}`);
};

// The headline: of the result, of an outcome, or of both levels.
const part = (parent, row) => tag('b', mostly(row), parent, `${row.short}`);
const say = (n, other) => {
  const line = scene.querySelector('.say'), a = rowAt(n), b = other === null ? null : rowAt(other);
  line.replaceChildren();
  if (other !== null && a && b) {
    line.append(`With ${n} steps `); part(line, a); line.append(`. With ${other} steps `); part(line, b); line.append('.');
  } else line.textContent = unbroken(exact(n) || !a ? value().said : a.said);
};

const label = (side, n) => {
  const near = nearestRow(n), off = near && !exact(n) && near.n !== n ? ` (below: from ${near.n}; let go for ${n})` : '';
  side.querySelector('.label').textContent = store.base && store.base.pure ? 'noise alone' : `+ ${n} steps of noise${off}`;
};
const levelsShown = () => {
  const n = Number(document.documentElement.dataset.n) || 0;
  if (!store.split) return [n];
  return splitLevels();
};

const makeSide = (parent, seedPlaces) => {
  const side = tag('div', 'side', parent);
  tag('p', 'label', side);
  const pairs = tag('div', 'pairs', side);
  pairs.style.setProperty('--count', seedPlaces.length);
  return {side, cells: seedPlaces.map(seed => {
    const pair = tag('button', 'pair', pairs);
    pair.type = 'button'; pair.dataset.seed = seed;
    const noise = tag('canvas', 'noise', pair);
    tag('span', 'way', pair).setAttribute('aria-hidden', 'true');
    const reconstruction = tag('canvas', 'reconstruction', pair);
    [noise, reconstruction].forEach(canvas => canvas.setAttribute('aria-hidden', 'true'));
    return {pair, seed, noise, reconstruction, verdict: tag('span', 'verdict', pair)};
  })};
};
// Builds the scene anew when the seeds or the split change, and else only draws.
const build = () => {
  const count = seeds().length, split = store.split && count > 1, half = Math.min(SPLIT, count), layout = `${split}:${count}`;
  if (shown && shown.layout === layout) return;
  const held = scene.contains(document.activeElement) ? document.activeElement.className : '';
  scene.replaceChildren();
  tag('h2', 'say', scene);
  const row = tag('div', 'row', scene), you = tag('div', 'you', row), first = [...Array(split ? half : count).keys()];
  const face = tag('img', '', you), change = tag('button', 'change', you, 'Change picture');
  tag('p', 'label', you, 'your picture');
  change.type = 'button';
  change.addEventListener('click', () => document.dispatchEvent(new Event('diffdemo:pick')));
  const sides = tag('div', `sides${split ? ' split' : ''}`, row), built = [makeSide(sides, first)];
  if (split) built.push(makeSide(sides, first));
  const legend = tag('p', 'legend', scene);
  shown = {layout, sides: built, face, legend};
  if (held.startsWith('change')) change.focus();
};
const draw = () => {
  if (!items().length && !store.rows.size) return;
  build();
  const levels = levelsShown(), both = shown.sides.length > 1;
  scene.classList.toggle('working', !finished());
  shown.sides.forEach((side, place) => {
    const n = levels[place] === undefined ? levels[0] : levels[place];
    label(side.side, n);
    side.cells.forEach(cell => show(cell, n));
    cells = place ? cells.concat(side.cells) : side.cells;
  });
  say(levels[0], both ? levels[1] : null);
};

const drawPicture = () => {
  const portrait = value().picture;
  if (!shown || !portrait || !isPng(portrait.src)) return;
  shown.face.alt = String(portrait.alt || '');
  if (shown.face.src === portrait.src && picture0) return;
  shown.face.src = portrait.src;
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement('canvas');
    fit(canvas, image.width, image.height);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    picture0 = context.getImageData(0, 0, image.width, image.height);
    draw();
  };
  image.src = portrait.src;
};
const drawLegend = () => {
  if (!shown || !Array.isArray(value().legend)) return;
  shown.legend.replaceChildren();
  value().legend.forEach(entry => tag('span', entry.kind, shown.legend, entry.text));
};

// Below the stage: one seed, out to x_n and back, and what survived of the picture.
const cell = (row, src, alt, caption) => {
  const box = tag('figure', '', row);
  if (isPng(src)) picture(src, alt, box); else tag('span', 'blank', box);
  tag('figcaption', '', box, caption);
};
const look = (parent, entry, words) => {
  const box = tag('span', 'look', parent);
  if (entry && /^#[0-9a-f]{6}$/.test(entry.colour || '')) tag('i', 'swatch', box).style.backgroundColor = entry.colour;
  else if (entry && isPng(entry.src)) picture(entry.src, '', box);
  tag('span', '', box, words);
};
const drawSurvived = item => {
  if (!Array.isArray(item.survived) || !item.survived.length) return;
  tag('h3', '', detail, `What survived of your picture in seed ${item.seed}`);
  const list = tag('ul', 'survived', detail);
  item.survived.forEach(entry => {
    const line = tag('li', entry.kept ? 'back' : 'changed', list);
    tag('b', 'mark', line, entry.kept ? '✓' : '✗');
    tag('span', 'name', line, entry.name);
    const looks = tag('span', 'looks', line);
    look(looks, entry.yours_look, entry.yours);
    if (entry.kept) return;
    tag('span', 'arrow', looks, '→');
    look(looks, entry.got_look, entry.got);
  });
};
const drawWay = item => {
  const path = JSON.parse(item.path), states = tag('div', 'strip', detail), guesses = tag('div', 'strip', detail);
  states.setAttribute('aria-label', 'The noisy picture on its way down'); guesses.setAttribute('aria-label', 'The clean picture the model expects');
  states.style.setProperty('--count', path.length + 2); guesses.style.setProperty('--count', path.length + 2);
  cell(states, value().picture.src, value().picture.alt, 'yours'); cell(guesses, null, '', 'the model’s guess');
  path.forEach(frame => {
    cell(states, frame.x, `seed ${item.seed}, the noisy picture at n = ${frame.n}`, `n ${frame.n}`);
    cell(guesses, frame.x0_hat, `seed ${item.seed}, the clean picture expected at n = ${frame.n}`, `from ${frame.n}`);
  });
  cell(states, item.reconstruction, item.reconstruction_alt, 'back'); cell(guesses, item.reconstruction, item.reconstruction_alt, 'result');
};
const drawDetail = () => {
  const item = items()[chosen];
  detail.replaceChildren();
  if (!finished() || !item || typeof item.path !== 'string') return;
  tag('h3', '', detail, `Seed ${item.seed} after ${value().n} steps of noise, there and back`);
  tag('p', 'line ' + outcome(item.back), detail, item.summary);
  drawWay(item);
  drawSurvived(item);
  const acts = tag('p', 'acts', detail), alone = tag('a', '', acts, `Open seed ${item.seed} alone`);
  alone.href = `?${item.query}`;
  [['x_n', 'Save the noisy picture'], ['reconstruction', 'Save what came back']].forEach(([which, words]) => {
    const made = tag('button', '', acts, words);
    made.type = 'button';
    made.addEventListener('click', () => trigger('select', {index: `seed-${item.seed}-${which}`, value: true}));
  });
};

const choose = seed => { chosen = seed; draw(); drawDetail(); };
scene.addEventListener('click', event => { const pair = event.target.closest('.pair'); if (pair) choose(+pair.dataset.seed); });
scene.addEventListener('keydown', event => {
  const pair = event.target.closest('.pair'), pairs = [...scene.querySelectorAll('.pair')], at = pairs.indexOf(pair);
  const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: pairs.length - 1}[event.key];
  if (!pair || to === undefined || !pairs[to]) return;
  event.preventDefault();
  pairs[to].focus();
  choose(+pairs[to].dataset.seed);
});

// The way down of the result, played by the dial: the noisy pictures, and the clean ones the model expects.
const playDown = () => {
  const paths = items().map(item => (typeof item.path === 'string' ? JSON.parse(item.path) : [])), frames = paths.length ? paths[0].length : 0;
  if (!finished() || !frames || store.split) return document.dispatchEvent(new Event('diffdemo:down-end'));
  let place = 0;
  const step = () => {
    if (way === null) return;
    if (place >= frames) { stopDown(); document.dispatchEvent(new Event('diffdemo:down-end')); return; }
    const n = paths[0][place].n;
    document.dispatchEvent(new CustomEvent('diffdemo:show-n', {detail: n}));
    cells.forEach(one => {
      const frame = paths[one.seed] && paths[one.seed][place];
      if (!frame) return;
      drawSource(one.noise, frame.x); drawSource(one.reconstruction, frame.x0_hat);
      one.verdict.textContent = '…'; one.pair.className = 'pair open';
    });
    scene.querySelector('.say').textContent = unbroken(`On the way down: ${n} steps of noise left. Below, what the model expects to find.`);
    place++;
    way = setTimeout(step, FRAME_MS);
  };
  way = 0;
  step();
};
const stopDown = () => { clearTimeout(way); way = null; };
document.addEventListener('diffdemo:down', playDown);
document.addEventListener('diffdemo:down-stop', () => { if (way !== null) { stopDown(); draw(); } });

document.addEventListener('diffdemo:n', () => { if (way === null) draw(); });
document.addEventListener(STORE, () => { if (way === null) { draw(); drawPicture(); } });
const changed = () => {
  stopDown();
  const {key, query} = value();
  if (typeof key === 'string') {
    if (key !== store.key) Object.assign(store, {key, levels: [], rows: new Map(), base: null});
    store.query = query; store.finished = finished();
    document.dispatchEvent(new Event('diffdemo:stage'));
  }
  draw(); drawPicture(); drawLegend(); drawDetail();
};
watch('value', changed);
changed();
