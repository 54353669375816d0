// What comes back from every number of noise steps: a strip of pictures, and the share of tries that came back.
// props.value is data only (see words.py). Choosing a level triggers 'select' with its n; the dial's n arrives as the event 'diffdemo:n'.
const [first, tiles, verdicts, plot, level, others, numbers] =
  ['first', 'tiles', 'verdicts', 'plot', 'level', 'others', 'numbers'].map(name => element.querySelector('.' + name));
const SHOWN = 2, SMALLEST = 28; // seeds in the strip; pixels of a tile and its space
let drawnWidth = 0;

const dial = () => Number(document.documentElement.dataset.n ?? 250);
const nearest = levels => levels.reduce((best, n, k) => (Math.abs(n - dial()) < Math.abs(levels[best] - dial()) ? k : best), 0);
const select = n => { document.documentElement.dataset.n = n; mark(); trigger('select', {index: n, value: null}); };

// Every how many levels have a tile: at least so many, and a few more where the last level has one then.
const strideOf = (count, least) => {
  for (let stride = least; stride <= 2 * least; stride++) if ((count - 1) % stride === 0) return stride;
  return least;
};
// One frame for strip and chart: level k stands under the middle of the tile of column k. On a narrow screen only every so many levels have one.
const frame = (width, value) => {
  const narrow = width < 560, left = 46, right = narrow ? 10 : 24, top = 34, height = narrow ? 220 : 250, bottom = 42;
  const inner = width - left - right, count = value.levels.length, stride = strideOf(count, Math.ceil(count * SMALLEST / inner)), columns = Math.ceil(count / stride);
  const half = inner / columns / 2, from = value.levels[0], span = Math.max(1, value.levels[count - 1] - from);
  return {narrow, left, right, top, width, height, base: height - bottom, inner, stride, columns, half,
    x: n => left + half + (n - from) / span * (inner - 2 * half), y: share => top + (1 - share) * (height - bottom - top)};
};

const drawFirst = value => {
  figure(first, value.x0.src, value.x0.alt, '', 'your picture');
  tag('p', '', first, 'Noise is added to it step by step, up to n, and then removed again. Each column shows what came back from so many noise steps n, each row another noise.');
};

const drawTiles = (value, f) => {
  const shown = value.levels.map((n, k) => k).filter(k => k % f.stride === 0);
  [['--count', f.columns], ['--left', `${f.left}px`], ['--right', `${f.right}px`]].forEach(([name, size]) => tiles.style.setProperty(name, size));
  tag('span', 'seed', tiles, 'n');
  shown.forEach(k => { tag('span', 'seed n', tiles, value.levels[k]); });
  tag('span', '', tiles);
  value.tiles.slice(0, SHOWN).forEach((row, seed) => {
    tag('span', 'seed', tiles, `seed ${value.seeds[seed]}`).title = `seed ${value.seeds[seed]}`;
    shown.forEach(k => {
      const box = tag('span', 'tile judged ' + outcomeOf(row[k].back), tiles);
      box.dataset.k = k;
      picture(row[k].src, row[k].alt, box);
      tag('b', '', box, verdict(row[k].back));
    });
    tag('span', '', tiles);
  });
};

const axes = (svg, value, f) => {
  [0, 0.25, 0.5, 0.75, 1].forEach(share => {
    make('line', {class: 'grid', x1: f.left, x2: f.width - f.right, y1: f.y(share), y2: f.y(share)}, svg);
    make('text', {x: f.left - 6, y: f.y(share) + 4, 'text-anchor': 'end'}, svg, `${100 * share}\u00a0%`);
  });
  const step = Math.max(1, Math.round(value.T / (f.narrow ? 4 : 10)));
  for (let n = 0; n <= value.T; n += step) make('text', {x: f.x(n), y: f.base + 17, 'text-anchor': 'middle'}, svg, n);
  make('text', {x: f.left + f.inner / 2, y: f.height - 5, 'text-anchor': 'middle', class: 'unit'}, svg, 'noise steps n');
};

// A vertical line with its words at a height; words that would leave the chart stand at its left.
const upright = (svg, className, n, text, f, y) => {
  const x = f.x(n), late = x > f.width - f.right - 170;
  make('line', {class: className, x1: x, x2: x, y1: f.top - 10, y2: f.base}, svg);
  make('text', {class: className, x: x + (late ? -5 : 5), y, 'text-anchor': late ? 'end' : 'start'}, svg, text);
};

const hits = (svg, value, f) => value.levels.forEach((n, k) => {
  const half = f.half / f.stride;
  const hit = make('rect', {class: 'hit', x: f.x(n) - half, y: f.top, width: 2 * half, height: f.base - f.top, role: 'button', tabindex: -1,
    'aria-label': `n = ${n}: ${value.back.texts[k]} came back. Set the dial to it.`}, svg);
  hit.dataset.k = k;
});

const drawPlot = (value, f) => {
  tag('h3', '', plot, 'How many tries came back');
  const svg = make('svg', {width: f.width, height: f.height, viewBox: `0 0 ${f.width} ${f.height}`, role: 'group', 'aria-label': 'Share of tries that came back, by noise steps'}, plot);
  axes(svg, value, f);
  const points = value.levels.map((n, k) => [f.x(n), f.y(value.back.values[k])]);
  make('polyline', {class: 'series main', points: points.map(p => p.join(',')).join(' ')}, svg);
  points.forEach(p => make('circle', {class: 'dot main', cx: p[0], cy: p[1], r: 3}, svg));
  value.landmarks.forEach((landmark, place) => upright(svg, 'mark', landmark.n, landmark.text, f, 12 + 14 * place));
  make('g', {class: 'dial'}, svg);
  hits(svg, value, f);
};

const drawOthers = value => {
  const points = values => value.levels.map((n, k) => [n, values[k]]), high = Math.max(...value.lines.flatMap(line => line.values));
  const series = value.lines.map(line => ({...line, points: points(line.values), band: line.low ? {low: line.low, high: line.high} : null}));
  plotLines(others, {title: 'What else is lost, and where', series, marks: value.marks, rules: value.chance ? [value.chance] : [],
    x: {label: 'noise steps n', from: value.levels[0], to: value.T, ticks: [0, 0.25, 0.5, 0.75, 1].map(share => Math.round(share * value.T))},
    y: {percent: true, from: 0, to: high > 1.01 ? 1.25 : 1, ticks: [0, 0.25, 0.5, 0.75, 1]}});
};

const drawNumbers = value => {
  const table = tag('table', '', numbers), head = tag('tr', '', tag('thead', '', table)), body = tag('tbody', '', table);
  ['n', 'came back', ...value.lines.map(line => line.label)].forEach(text => { tag('th', '', head, text).scope = 'col'; });
  value.levels.forEach((n, k) => {
    const row = tag('tr', '', body);
    tag('th', '', row, n).scope = 'row';
    [value.back.texts[k], ...value.lines.map(line => line.texts[k])].forEach(text => tag('td', '', row, text));
  });
};

// Everything that moves with the dial.
const mark = () => {
  const value = props.value, layer = plot.querySelector('.dial');
  if (!value || !layer) return;
  const f = frame(drawnWidth, value), k = nearest(value.levels);
  layer.replaceChildren();
  if (dial() >= value.levels[0] && dial() <= value.T) upright(layer, 'now', dial(), `n = ${dial()}`, f, f.base - 8);
  element.querySelectorAll('[data-k]').forEach(node => node.classList.toggle('chosen', +node.dataset.k === k));
  plot.querySelectorAll('.hit').forEach(node => { node.setAttribute('tabindex', +node.dataset.k === k ? 0 : -1); node.setAttribute('aria-pressed', +node.dataset.k === k); });
  drawLevel(value, k);
};

const drawLevel = (value, k) => {
  level.replaceChildren();
  const n = value.levels[k];
  tag('h3', '', level, unbroken(`At n = ${n}, ${value.back.texts[k]} came back`));
  tag('p', '', level, 'Left the noisy picture (x_n), right what it led back to.');
  const row = tag('div', 'pairs', level);
  value.tiles.forEach((seeds, seed) => {
    const tile = seeds[k], pair = tag('figure', outcomeOf(tile.back), row), name = `seed ${value.seeds[seed]}`;
    picture(value.noises[seed][k], `${name}, the noisy picture after ${n} noise steps`, pair);
    tag('span', 'arrow', pair, '→').setAttribute('aria-hidden', 'true');
    picture(tile.src, tile.alt, pair);
    tag('figcaption', '', pair, `${name} ${verdict(tile.back)}`);
  });
};

const draw = () => {
  const value = props.value, width = Math.floor(element.clientWidth || 0) || 320;
  drawnWidth = width;
  [first, tiles, verdicts, plot, level, others, numbers].forEach(node => node.replaceChildren());
  const ready = value && Array.isArray(value.levels), finished = ready && value.lines.length > 0;
  element.querySelector('.more').hidden = !finished;
  if (!ready) return;
  const f = frame(width, value);
  drawFirst(value);
  drawTiles(value, f);
  value.verdicts.forEach(entry => tag('span', entry.kind, verdicts, entry.text));
  if (!finished) return;
  drawPlot(value, f); drawOthers(value); drawNumbers(value);
  mark();
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
element.addEventListener('toggle', () => { if (props.value && props.value.lines && props.value.lines.length) drawOthers(props.value); }, true);
watch('value', draw);
new ResizeObserver(() => { if (Math.abs(element.clientWidth - drawnWidth) > 1) draw(); }).observe(element);
draw();
