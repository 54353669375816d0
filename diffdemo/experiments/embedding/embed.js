// Which noise leads back: three findings; behind folds all noises, the table of statistics, charts, the swap test. props.value is data only (see words.py).
const part = Object.fromEntries(['first', 'findings', 'verdicts', 'columns', 'table', 'errors', 'variance', 'correlation', 'swap']
  .map(name => [name, element.querySelector('.' + name)]));

const drawPair = (parent, row) => {
  const pair = tag('figure', outcomeOf(row.came_back), parent);
  picture(row.x_n, row.x_n_alt, pair);
  tag('span', 'arrow', pair, '→').setAttribute('aria-hidden', 'true');
  picture(row.back, row.back_alt, pair);
  if (row.label) tag('figcaption', '', pair, row.label);
  return pair;
};
const drawFinding = found => {
  const box = tag('section', 'finding', part.findings);
  tag('h3', '', box, found.name);
  tag('p', 'outcome', box, found.text);
  tag('p', '', box, found.about);
  const pairs = tag('div', 'pairs', box);
  found.pairs.forEach(row => { drawPair(pairs, {...row, label: `${verdict(row.came_back)} ${row.label}`}).classList.add('judged'); });
};

const drawColumn = column => {
  const box = tag('section', 'column ' + (column.back ? 'back' : 'changed'), part.columns);
  tag('h3', '', box, column.name);
  tag('p', 'about', box, column.about);
  const rows = tag('div', 'rows' + (column.rows.length > 1 ? ' many' : ''), box);
  column.rows.forEach(row => drawPair(rows, row));
  tag('p', 'verdict', box, column.verdict);
  const facts = tag('dl', '', box);
  column.facts.forEach(fact => { tag('dt', '', facts, fact.term); tag('dd', '', facts, fact.value); });
};

const drawTable = table => {
  const scroll = tag('div', 'scroll', part.table), grid = tag('table', '', scroll), head = tag('tr', '', tag('thead', '', grid)), body = tag('tbody', '', grid);
  scroll.tabIndex = 0; scroll.setAttribute('role', 'group'); scroll.setAttribute('aria-label', 'Statistics of each noise beside those of ordinary noise');
  ['', 'ordinary noise', '95 % of it', ...table.columns].forEach(text => { tag('th', '', head, text).scope = 'col'; });
  table.rows.forEach(entry => {
    const row = tag('tr', '', body);
    tag('th', '', row, entry.label).scope = 'row';
    tag('td', '', row, entry.expected); tag('td', '', row, entry.band);
    entry.cells.forEach(cell => tag('td', cell.side ? 'outside' : '', row, `${cell.text}${cell.side === 'above' ? ' ↑' : cell.side === 'below' ? ' ↓' : ''}`));
  });
  tag('p', 'about', part.table, `↑ and ↓ lie above and below the band. Means over the seeds.${table.own ? ' ' + table.own : ''}`);
};

const drawCharts = value => {
  [part.errors, part.variance, part.correlation].forEach(node => node.replaceChildren());
  if (value.errors) {
    const points = value.errors.series.flatMap(line => line.points);
    const steps = points.map(p => p[0]);
    plotLines(part.errors, {title: 'Error of the round trip, by denoising steps', series: value.errors.series, y: {...decades(points.map(p => p[1])), label: 'RMSE'},
      x: {label: 'denoising steps', log: true, from: Math.min(...steps), to: Math.max(...steps, 10), ticks: [5, 10, 20, 50, 100].filter(k => k >= Math.min(...steps) && k <= Math.max(...steps))}});
  }
  if (value.paths) {
    const ticks = [0, 0.25, 0.5, 0.75, 1].map(share => Math.round(share * value.n)), x = {label: 'n', from: value.n, to: 0, ticks};
    const spread = decades(value.paths.variance.flatMap(line => line.points.map(p => p[1])));
    plotLines(part.variance, {title: 'The record (z): variance', series: value.paths.variance, x, y: spread, rules: [{y: 1, text: 'ordinary noise 1'}]});
    plotLines(part.correlation, {title: 'The record (z): one step with the next', series: value.paths.correlation, x,
      y: {from: -1, to: 0.5, ticks: [-1, -0.5, 0, 0.5]}, rules: [{y: 0, text: 'ordinary noise 0'}]});
  }
};

const drawSwap = swap => {
  if (swap.replays.length) {
    tag('p', 'about', part.swap, `A’s record, used from B’s noise (seed ${swap.seed}) instead of A’s own:`);
    const row = tag('div', 'tiles', part.swap);
    figure(row, swap.a.src, swap.a.alt, 'A', ''); figure(row, swap.b.src, swap.b.alt, 'B', '');
    swap.replays.forEach(entry => figure(row, entry.src, entry.alt, entry.name, entry.text));
  }
  if (swap.mixtures.length) {
    tag('p', 'about', part.swap, 'A’s noise (by DDIM inversion) is blended into B’s, and each blend is denoised:');
    const row = tag('div', 'strip', part.swap);
    row.style.setProperty('--count', swap.mixtures.length);
    swap.mixtures.forEach(entry => figure(row, entry.src, entry.alt, entry.share, ''));
  }
};

const show = (node, shown) => { node.closest('.more').hidden = !shown; };
const build = value => {
  Object.values(part).forEach(node => node.replaceChildren());
  element.querySelectorAll('.more').forEach(fold => { fold.hidden = !value; });
  if (!value) return;
  figure(part.first, value.picture.src, value.picture.alt, '', 'your picture');
  tag('p', '', part.first, unbroken(`Each pair: left a noise at n = ${value.n}, right what it leads to when it is removed step by step.`));
  value.findings.forEach(drawFinding);
  tag('span', 'back', part.verdicts, '✓ came back'); tag('span', 'changed', part.verdicts, '≠ another picture');
  value.columns.forEach(drawColumn);
  drawTable(value.table);
  show(part.errors, value.errors || value.paths);
  show(part.swap, value.swap);
  if (value.swap) drawSwap(value.swap);
};
redrawn(element, value => Array.isArray(value.columns), build, drawCharts);
