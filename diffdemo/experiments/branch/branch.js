// A tree: the path down at the left, the ends of the paths that leave it beside it, how alike they are at the right.
// props.value is data only (see words.py); choosing an end shows its way.
const [played, trunk, measure, detail, decided, distance] =
  ['part-played', 'tree', 'measure', 'detail', 'decided', 'distance'].map(name => element.querySelector('.' + name));
let chosen = null;

const finished = value => value && Array.isArray(value.rows) && Array.isArray(value.lines);
const percent = share => `${Math.round(100 * share)}\u00a0%`;

const drawHeads = count => {
  const line = tag('div', 'row heads', trunk);
  tag('span', 'about', line, 'the path');
  tag('span', 'about', line, `where ${count} paths end that part from it here`).style.setProperty('--count', count);
  tag('span', 'about', line, 'alike');
};
const drawRow = (row, k) => {
  const line = tag('div', 'row', trunk);
  const stem = tag('div', 'stem', line);
  if (row.x) {
    tag('span', 'level', stem, unbroken(row.label));
    picture(row.x, `the path at ${row.label}`, stem);
  }
  const tiles = tag('div', 'tiles', line);
  tiles.style.setProperty('--count', row.tiles.length);
  row.tiles.forEach((entry, j) => {
    const button = tag('button', 'tile', tiles);
    button.type = 'button'; button.dataset.place = `${k},${j}`; button.setAttribute('aria-label', entry.alt);
    picture(entry.src, '', button);
  });
  if (row.text !== undefined) {
    const bar = tag('div', 'share', line);
    bar.title = `how alike two paths end that part at ${row.label}`;
    const fill = tag('span', 'fill', tag('span', 'bar', bar));
    fill.style.width = `${100 * Math.max(0, Math.min(1, row.share))}%`;
    tag('span', 'text', bar, unbroken(row.text));
  }
};

const strip = (entries, name) => {
  const row = tag('div', 'strip', detail);
  row.style.setProperty('--count', entries.length); row.setAttribute('role', 'group'); row.setAttribute('aria-label', name);
  entries.forEach(([src, alt, caption]) => {
    const box = tag('figure', '', row);
    picture(src, alt, box);
    tag('figcaption', '', box, caption);
  });
};
const drawDetail = () => {
  const value = props.value;
  detail.replaceChildren();
  trunk.querySelectorAll('.tile').forEach(node => {
    node.classList.toggle('chosen', node.dataset.place === chosen);
    node.setAttribute('aria-pressed', node.dataset.place === chosen);
  });
  if (!finished(value) || chosen === null) return;
  const [k, j] = chosen.split(',').map(Number), row = value.rows[k], entry = row && row.tiles[j];
  if (!entry || !entry.frames) return;
  tag('h3', '', detail, unbroken(`From ${row.label} with seed ${entry.seed}`));
  tag('p', 'about', detail, 'Above, the noisy picture on its way. Below, what the model takes it for at each step.');
  const before = value.rows.slice(0, k).map(step => ({...step, own: false})), after = entry.frames.map(step => ({...step, own: true}));
  const way = [...before.slice(-3), ...after];
  strip([...way.map(step => [step.x, `the noisy picture at n = ${step.n}`, `${step.own ? '' : 'path '}${step.n}`]), [entry.src, entry.alt, 'end']], 'The noisy picture on its way');
  strip([...way.map(step => [step.x0_hat, `the model's guess at n = ${step.n}`, `at ${step.n}`]), [entry.src, entry.alt, 'end']], 'The guess on its way');
};

const drawCharts = value => {
  if (!finished(value)) return;
  const axis = {label: 'n at which the paths part', from: value.T, to: 0, ticks: [1, 0.75, 0.5, 0.25, 0].map(share => Math.round(share * value.T))};
  const top = lines => Math.max(1, Math.ceil(4 * Math.max(...lines.flatMap(line => line.points.map(p => p[1])))) / 4);
  const chart = (host, title, series, rules) => plotLines(host, {title, series, x: axis, rules, y: {percent: true, from: 0, to: top(series), ticks: [0, 0.25, 0.5, 0.75, 1]}});
  const rules = typeof value.chance === 'number' ? [{y: value.chance, text: `strangers ${percent(value.chance)}`}] : [];
  chart(decided, value.chance === null ? 'How far apart they end' : 'How alike they end', value.lines, rules);
  if (value.more.length) chart(distance, 'How far apart they end', value.more, []);
};

const build = value => {
  [trunk, decided, distance].forEach(node => node.replaceChildren());
  const done = Boolean(finished(value));
  trunk.classList.toggle('finished', done);
  element.querySelector('.more').hidden = !done || !value.more.length;
  chosen = null;
  played.textContent = done ? unbroken(value.about) : '';
  measure.textContent = done ? `${value.measure} Choose an end to see its way.` : '';
  if (done) drawHeads(value.rows[0].tiles.length);
  if (value) value.rows.forEach(drawRow);
  if (value && value.end) {
    const last = tag('div', 'row last', trunk), stem = tag('div', 'stem', last);
    tag('span', 'level', stem, 'end');
    picture(value.end.src, value.end.alt, stem);
    tag('p', 'about', last, 'where the path itself ends');
  }
  drawDetail();
};
trunk.addEventListener('click', event => {
  const node = event.target.closest('.tile');
  if (node) { chosen = node.dataset.place; drawDetail(); }
});
trunk.addEventListener('keydown', event => {
  const node = event.target.closest('.tile'), move = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
  if (!node || !move) return;
  const [k, j] = node.dataset.place.split(',').map(Number), to = trunk.querySelector(`.tile[data-place="${k + move[0]},${j + move[1]}"]`);
  if (!to) return;
  event.preventDefault();
  chosen = to.dataset.place; drawDetail(); to.focus();
});
redrawn(element, value => Array.isArray(value.rows), build, drawCharts);
