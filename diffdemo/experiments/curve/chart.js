// What is known and kept at every n: curves, tiles and the numbers. props.value is data only (see words.py).
// Choosing a level triggers 'select' with its n; the dial's n arrives as the document event 'diffdemo:n' (see readouts.js).
const plot = element.querySelector('.plot'), legend = element.querySelector('.legend'), tiles = element.querySelector('.tiles');
const level = element.querySelector('.level'), numbers = element.querySelector('.numbers');
let drawnWidth = 0;

const dial = () => Number(document.documentElement.dataset.n ?? 250);
const chosen = levels => levels.reduce((best, n, k) => (Math.abs(n - dial()) < Math.abs(levels[best] - dial()) ? k : best), 0);
const select = n => { document.documentElement.dataset.n = n; mark(); trigger('select', {index: n, value: null}); };

// One frame for chart and tiles: level k stands over the middle of the tiles of column k.
const frame = (width, value) => {
  const narrow = width < 560, left = narrow ? 34 : 64, right = narrow ? 34 : 56, top = 26, height = narrow ? 210 : 280, bottom = 42;
  const inner = width - left - right, half = inner / value.levels.length / 2;
  const ceiling = value.lines.some(line => line.values.some(v => v > 1.01)) ? 1.25 : 1;
  const first = value.levels[0], span = Math.max(1, value.levels[value.levels.length - 1] - first);
  return {narrow, left, right, top, width, height, base: height - bottom, inner, ceiling,
    x: n => left + half + (n - first) / span * (inner - 2 * half), y: share => top + (1 - Math.min(share, ceiling) / ceiling) * (height - bottom - top)};
};

const axes = (svg, value, f) => {
  for (let k = 0; k <= 4 * f.ceiling; k++) {
    const y = f.y(k / 4);
    make('line', {class: 'grid', x1: f.left, x2: f.width - f.right, y1: y, y2: y}, svg);
    make('text', {x: f.left - 6, y: y + 4, 'text-anchor': 'end'}, svg, `${25 * k}${f.narrow ? '' : ' %'}`);
    if (value.bits && k <= 4) make('text', {x: f.width - f.right + 6, y: y + 4}, svg, (value.bits * k / 4).toFixed(f.narrow ? 0 : 1));
  }
  make('text', {x: f.narrow ? 2 : f.left, y: 12, class: 'unit'}, svg, 'share');
  if (value.bits) make('text', {x: f.narrow ? f.width - 2 : f.width - f.right + 6, y: 12, class: 'unit', 'text-anchor': f.narrow ? 'end' : 'start'}, svg, 'bits');
  const step = Math.max(1, Math.round(value.T / (f.narrow ? 4 : 10)));
  for (let n = 0; n <= value.T; n += step) make('text', {x: f.x(n), y: f.base + 17, 'text-anchor': 'middle'}, svg, n);
  make('text', {x: f.left + f.inner / 2, y: f.height - 5, 'text-anchor': 'middle', class: 'unit'}, svg, 'noise steps n');
};

const curve = (svg, line, place, value, f) => {
  const points = value.levels.map((n, k) => [f.x(n), f.y(line.values[k])]);
  if (line.low) {
    const upper = value.levels.map((n, k) => `${f.x(n)},${f.y(line.high[k])}`), lower = value.levels.map((n, k) => `${f.x(n)},${f.y(line.low[k])}`);
    make('polygon', {class: 'band', points: [...upper, ...lower.reverse()].join(' ')}, svg);
  }
  make('polyline', {class: styled(line, 'series', place), points: points.map(p => p.join(',')).join(' ')}, svg);
  if (!dashed(line)) points.forEach(p => make('circle', {class: styled(line, 'dot', place), cx: p[0], cy: p[1], r: 3}, svg));
};

// Vertical marks with their words above; `place` staggers those that would touch.
const upright = (svg, className, n, text, f, place) => {
  const x = f.x(n), right = x > f.width - f.right - 90;
  make('line', {class: className, x1: x, x2: x, y1: f.top - 4, y2: f.base}, svg);
  make('text', {class: className, x: x + (right ? -5 : 5), y: f.top + 10 + 15 * place, 'text-anchor': right ? 'end' : 'start'}, svg, text);
};

const hits = (svg, value, f) => value.levels.forEach((n, k) => {
  const half = f.inner / value.levels.length / 2;
  const words = value.lines.map(line => `${line.label}: ${line.texts[k]}`).join('; ');
  const hit = make('rect', {class: 'hit', x: f.x(n) - half, y: f.top, width: 2 * half, height: f.base - f.top, role: 'button', tabindex: -1,
    'aria-label': `n = ${n}. ${words}`}, svg);
  hit.dataset.k = k;
});

const draw = () => {
  const value = props.value, width = Math.floor(element.clientWidth || 0) || 320;
  drawnWidth = width;
  [plot, legend, tiles, level, numbers].forEach(node => node.replaceChildren());
  if (!value || !Array.isArray(value.levels)) return;
  const f = frame(width, value);
  const svg = make('svg', {width, height: f.height, viewBox: `0 0 ${width} ${f.height}`, role: 'group', 'aria-label': 'What is known and kept at every n'}, plot);
  axes(svg, value, f);
  if (value.chance) make('line', {class: 'rule', x1: f.left, x2: f.width - f.right, y1: f.y(value.chance.y), y2: f.y(value.chance.y)}, svg);
  (value.marks || []).forEach(m => upright(svg, 'mark', m.n, m.text, f, 0));
  value.lines.forEach((line, place) => curve(svg, line, place, value, f));
  if (value.chance) make('text', {x: f.left + 4, y: f.y(value.chance.y) - 5}, svg, value.chance.text); // above the curves
  make('g', {class: 'dial'}, svg);
  hits(svg, value, f);
  explain(legend, value.lines);
  if (value.lines.length) { tag('span', 'back', legend, '✓ teal: came back'); tag('span', 'changed', legend, '≠ orange: another picture'); }
  drawTiles(value, f);
  drawNumbers(value);
  mark();
};

const drawTiles = (value, f) => {
  tiles.style.setProperty('--count', value.levels.length);
  tiles.style.setProperty('--left', `${f.left}px`);
  tiles.style.setProperty('--right', `${f.right}px`);
  value.tiles.forEach((row, seed) => {
    tag('span', 'seed', tiles, f.narrow ? value.seeds[seed] : `seed ${value.seeds[seed]}`);
    row.forEach((tile, k) => {
      const box = tag('span', 'tile judged ' + (tile.back === true ? 'back' : tile.back === false ? 'changed' : 'open'), tiles);
      box.dataset.k = k;
      picture(tile.src, tile.alt, box);
    });
    tag('span', '', tiles);
  });
};

const drawNumbers = value => {
  if (!value.lines.length) return;
  tag('summary', '', numbers, 'The numbers');
  const table = tag('table', '', numbers), head = tag('tr', '', tag('thead', '', table)), body = tag('tbody', '', table);
  ['n', ...value.lines.map(line => line.label), 'came back'].forEach(text => { tag('th', '', head, text).scope = 'col'; });
  value.levels.forEach((n, k) => {
    const row = tag('tr', '', body);
    tag('th', '', row, n).scope = 'row';
    value.lines.forEach(line => tag('td', '', row, line.texts[k]));
    tag('td', '', row, `${value.tiles.filter(tiles => tiles[k].back).length} of ${value.tiles.length}`);
  });
};

// Everything that moves with the dial.
const mark = () => {
  const value = props.value, layer = plot.querySelector('.dial');
  if (!value || !layer) return;
  const f = frame(drawnWidth, value), k = chosen(value.levels);
  layer.replaceChildren();
  if (dial() <= value.levels[value.levels.length - 1]) upright(layer, 'now', dial(), `dial ${dial()}`, f, 1);
  element.querySelectorAll('[data-k]').forEach(node => node.classList.toggle('chosen', +node.dataset.k === k));
  plot.querySelectorAll('.hit').forEach(node => { node.setAttribute('tabindex', +node.dataset.k === k ? 0 : -1); node.setAttribute('aria-pressed', +node.dataset.k === k); });
  drawLevel(value, k);
};

const drawLevel = (value, k) => {
  level.replaceChildren();
  if (!value.noises.length) return;
  tag('h3', '', level, `At n = ${value.levels[k]}`);
  tag('p', '', level, value.lines.map(line => `${line.label}: ${line.texts[k]}`).join(' · '));
  const row = tag('div', 'pairs', level);
  value.tiles.forEach((seeds, seed) => {
    const tile = seeds[k], pair = tag('figure', tile.back ? 'back' : 'changed', row);
    picture(value.noises[seed][k], `seed ${value.seeds[seed]}, the picture with ${value.levels[k]} steps of noise`, pair);
    tag('span', 'arrow', pair, '→').setAttribute('aria-hidden', 'true');
    picture(tile.src, tile.alt, pair);
    tag('figcaption', '', pair, `seed ${value.seeds[seed]} ${tile.back ? '✓' : '≠'}`);
  });
};

element.addEventListener('click', event => {
  const node = event.target.closest('.hit, .tile');
  if (node && props.value) select(props.value.levels[+node.dataset.k]);
});
plot.addEventListener('keydown', event => {
  const node = event.target.closest('.hit');
  if (!node) return;
  const last = props.value.levels.length - 1, k = +node.dataset.k;
  const to = {ArrowRight: Math.min(k + 1, last), ArrowLeft: Math.max(k - 1, 0), Home: 0, End: last, Enter: k, ' ': k}[event.key];
  if (to === undefined) return;
  event.preventDefault();
  select(props.value.levels[to]);
  plot.querySelector(`.hit[data-k="${to}"]`).focus();
});
document.addEventListener('diffdemo:n', mark);
watch('value', draw);
new ResizeObserver(() => { if (Math.abs(element.clientWidth - drawnWidth) > 1) draw(); }).observe(element);
draw();
