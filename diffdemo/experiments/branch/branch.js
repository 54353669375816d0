// A tree: the path down at the left, the futures of each branching point beside it, what they share at the right.
// props.value is data only (see words.py); choosing a tile shows its way.
const trunk = element.querySelector('.tree'), detail = element.querySelector('.detail'), decided = element.querySelector('.decided');
let chosen = null;

const finished = value => value && Array.isArray(value.rows) && Array.isArray(value.lines);
const percent = share => `${Math.round(100 * share)} %`;

const drawRow = (row, k) => {
  const line = tag('div', 'row', trunk);
  const stem = tag('div', 'stem', line);
  if (row.x) {
    tag('span', 'level', stem, row.label);
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
    bar.title = `what two futures from ${row.label} have in common`;
    const fill = tag('span', 'fill', tag('span', 'bar', bar));
    fill.style.width = `${100 * Math.max(0, Math.min(1, row.share))}%`;
    tag('span', 'text', bar, row.text);
  }
};

const strip = (entries, name) => {
  const row = tag('div', 'strip', detail);
  row.style.setProperty('--count', entries.length); row.setAttribute('aria-label', name);
  entries.forEach(([src, alt, caption]) => {
    const figure = tag('figure', '', row);
    picture(src, alt, figure);
    tag('figcaption', '', figure, caption);
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
  tag('h3', '', detail, `A future of ${row.label}, seed ${entry.seed}`);
  tag('p', 'about', detail, 'The path down to the branching point, then this future: the state above, the network’s estimate of the picture below.');
  const before = value.rows.slice(0, k).map(step => ({...step, own: false})), after = entry.frames.map(step => ({...step, own: true}));
  const way = [...before.slice(-3), ...after];
  strip([...way.map(step => [step.x, `the state at n = ${step.n}`, `${step.own ? '' : 'path '}${step.n}`]), [entry.src, entry.alt, 'end']], 'The state on its way');
  strip([...way.map(step => [step.x0_hat, `the estimate from n = ${step.n}`, `from ${step.n}`]), [entry.src, entry.alt, 'end']], 'The estimate on its way');
};

const drawDecided = value => {
  const points = value.lines.flatMap(line => line.points.map(p => p[1])), top = Math.max(1, Math.ceil(4 * Math.max(...points)) / 4);
  plotLines(decided, {title: 'From anything to decided', series: value.lines,
    x: {label: 'n at which the futures part', from: value.T, to: 0, ticks: [1, 0.75, 0.5, 0.25, 0].map(share => Math.round(share * value.T))},
    y: {label: 'share', from: 0, to: top, ticks: [0, 0.25, 0.5, 0.75, 1]},
    rules: typeof value.chance === 'number' ? [{y: value.chance, text: `unrelated pictures ${percent(value.chance)}`}] : []});
};

const build = value => {
  trunk.replaceChildren(); decided.replaceChildren();
  trunk.classList.toggle('finished', Boolean(finished(value)));
  chosen = finished(value) ? `${Math.min(3, value.rows.length - 1)},0` : null;
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
redrawn(element, value => Array.isArray(value.rows), build, value => finished(value) && drawDecided(value));
