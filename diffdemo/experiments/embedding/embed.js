// Five kinds of codes for one picture: columns, the table of statistics, charts, the swap test. props.value is data only (see words.py).
const part = Object.fromEntries(['columns', 'table', 'errors', 'variance', 'correlation', 'swap'].map(name => [name, element.querySelector('.' + name)]));

const drawColumn = column => {
  const box = tag('section', 'column ' + (column.back ? 'back' : 'changed'), part.columns);
  tag('h3', '', box, column.name);
  tag('p', 'about', box, column.about);
  const rows = tag('div', 'rows' + (column.rows.length > 1 ? ' many' : ''), box);
  column.rows.forEach(row => {
    const pair = tag('figure', row.came_back ? 'back' : 'changed', rows);
    picture(row.x_n, row.x_n_alt, pair);
    tag('span', 'arrow', pair, '→').setAttribute('aria-hidden', 'true');
    picture(row.back, row.back_alt, pair);
    if (row.label) tag('figcaption', '', pair, row.label);
  });
  tag('p', 'verdict', box, column.verdict);
  const facts = tag('dl', '', box);
  column.facts.forEach(fact => { tag('dt', '', facts, fact.term); tag('dd', '', facts, fact.value); });
};

const drawTable = table => {
  tag('h3', '', part.table, 'Does it pass as noise?');
  const scroll = tag('div', 'scroll', part.table), grid = tag('table', '', scroll), head = tag('tr', '', tag('thead', '', grid)), body = tag('tbody', '', grid);
  scroll.tabIndex = 0; scroll.setAttribute('role', 'group'); scroll.setAttribute('aria-label', 'Statistics of each code beside those of true noise');
  ['', 'true noise', '95 % of it', ...table.columns].forEach(text => { tag('th', '', head, text).scope = 'col'; });
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
    plotLines(part.errors, {title: 'Round-trip error against steps', series: value.errors.series, y: {...decades(points.map(p => p[1])), label: 'RMSE'},
      x: {label: 'steps', log: true, from: Math.min(...steps), to: Math.max(...steps, 10), ticks: [5, 10, 20, 50, 100].filter(k => k >= Math.min(...steps) && k <= Math.max(...steps))}});
  }
  if (value.paths) {
    const ticks = [0, 0.25, 0.5, 0.75, 1].map(share => Math.round(share * value.n)), x = {label: 'n', from: value.n, to: 0, ticks};
    const spread = decades(value.paths.variance.flatMap(line => line.points.map(p => p[1])));
    plotLines(part.variance, {title: 'The kept z: variance', series: value.paths.variance, x, y: spread, rules: [{y: 1, text: 'true noise 1'}]});
    plotLines(part.correlation, {title: 'The kept z: one with the next', series: value.paths.correlation, x,
      y: {from: -1, to: 0.5, ticks: [-1, -0.5, 0, 0.5]}, rules: [{y: 0, text: 'true noise 0'}]});
  }
};

const tile = (row, src, name, words, alt) => {
  const figure = tag('figure', '', row);
  picture(src, alt, figure);
  const caption = tag('figcaption', '', figure);
  tag('b', '', caption, name); if (words) tag('span', '', caption, words);
};
const drawSwap = swap => {
  tag('h3', '', part.swap, 'What does the code carry?');
  if (swap.replays.length) {
    tag('p', 'about', part.swap, `A’s kept path, walked down from B’s x_n (seed ${swap.seed}) instead of A’s own:`);
    const row = tag('div', 'tiles', part.swap);
    tile(row, swap.a.src, 'A', '', swap.a.alt); tile(row, swap.b.src, 'B', '', swap.b.alt);
    swap.replays.forEach(entry => tile(row, entry.src, entry.name, entry.text, entry.alt));
  }
  if (swap.mixtures.length) {
    tag('p', 'about', part.swap, 'From A’s DDIM code to B’s on the sphere between them, each code taken back by DDIM:');
    const row = tag('div', 'strip', part.swap);
    row.style.setProperty('--count', swap.mixtures.length);
    swap.mixtures.forEach(entry => tile(row, entry.src, entry.share, '', entry.alt));
  }
};

const build = value => {
  Object.values(part).forEach(node => node.replaceChildren());
  if (!value) return;
  value.columns.forEach(drawColumn);
  drawTable(value.table);
  if (value.swap) drawSwap(value.swap);
};
redrawn(element, value => Array.isArray(value.columns), build, drawCharts);
