// The map: one picture fans out to its noisy versions x_n, and each x_n leads to its reconstruction.
// props.value is data only (see words.py); everything is built with setAttribute and textContent.
const host = element.querySelector('.map-host');
const detail = element.querySelector('.map-detail');
let chosen = 0, focus = null, drawnWidth = 0;

const items = () => (props.value && Array.isArray(props.value.items) ? props.value.items : []);
const outcome = item => (item.back === true ? 'back' : item.back === false ? 'changed' : 'open');

// Where everything goes, from the width at hand: banks of pairs under the picture, a gutter in the middle for the trunk.
const plan = (width, count) => {
  const gap = width < 520 ? 4 : 8, gutter = 10;
  const side = Math.max(30, Math.min(64, Math.floor((width - gutter) / Math.min(count, 16)) - gap));
  let columns = Math.max(2, Math.floor((width - gutter) / (side + gap)));
  columns = Math.min(columns - (columns % 2), count + (count % 2), 16);
  const root = width < 520 ? 72 : 96, fan = width < 520 ? 44 : 64, link = 44;
  const bank = fan + side + link + side + 34;
  const x0 = (width - columns * (side + gap) - gutter) / 2 + gap / 2;
  const banks = Math.ceil(count / columns);
  const left = column => x0 + column * (side + gap) + (column >= columns / 2 ? gutter : 0);
  return {side, columns, root, fan, link, bank, left, banks, middle: width / 2, height: root + banks * bank};
};

const tile = (group, item, index, kind, x, y, side) => {
  const src = kind === 'noise' ? item.noise : item.reconstruction;
  const g = make('g', {class: 'tile ' + kind, role: 'button', tabindex: -1,
    'aria-label': kind === 'noise' ? item.noise_alt : item.reconstruction_alt}, group);
  g.dataset.index = index; g.dataset.kind = kind;
  make('rect', {class: 'frame', x: x - 2, y: y - 2, width: side + 4, height: side + 4, rx: 4}, g);
  if (isPng(src)) make('image', {href: src, x, y, width: side, height: side, preserveAspectRatio: 'none'}, g);
};

const pair = (svg, item, index, p) => {
  const bank = Math.floor(index / p.columns), column = index % p.columns;
  const x = p.left(column), cx = x + p.side / 2, top = p.root + bank * p.bank, y = top + p.fan, below = y + p.side + p.link;
  const g = make('g', {class: 'pair ' + outcome(item)}, svg);
  g.dataset.index = index;
  const bend = p.fan * 0.6;
  make('path', {class: 'line out', d: `M${p.middle},${top + 2} C${p.middle},${top + bend} ${cx},${y - bend} ${cx},${y - 3}`}, g);
  const strength = typeof item.kept === 'number' ? item.kept : item.back ? 1 : 0.3;
  make('path', {class: 'line home', d: `M${cx},${y + p.side + 3} L${cx},${below - 8}`, 'stroke-width': 1.5 + 3.5 * strength}, g);
  make('path', {class: 'tip', d: `M${cx - 5},${below - 9} L${cx + 5},${below - 9} L${cx},${below - 3} Z`}, g);
  tile(g, item, index, 'noise', x, y, p.side);
  tile(g, item, index, 'reconstruction', x, below, p.side);
  make('text', {class: 'seed', x: cx + 5, y: y + p.side + 16, 'text-anchor': 'start'}, g).textContent = item.seed;
  make('text', {class: 'verdict', x: cx, y: below + p.side + 15, 'text-anchor': 'middle'}, g).textContent = item.label;
};

const draw = () => {
  const value = props.value || {}, list = items(), width = Math.floor(host.clientWidth) || 320;
  drawnWidth = width;
  const held = document.activeElement && host.contains(document.activeElement) ? focus : null;
  host.replaceChildren();
  if (!list.length) return;
  chosen = Math.min(chosen, list.length - 1);
  const p = plan(width, list.length);
  const svg = make('svg', {width, height: p.height, viewBox: `0 0 ${width} ${p.height}`, role: 'group',
    'aria-label': 'One picture, its noisy versions, and what each leads back to'}, host);
  for (let bank = 1; bank < p.banks; bank++)
    make('path', {class: 'line trunk', d: `M${p.middle},${p.root + (bank - 1) * p.bank} L${p.middle},${p.root + bank * p.bank + 2}`}, svg);
  if (value.picture && isPng(value.picture.src)) {
    const root = make('g', {role: 'img', 'aria-label': value.picture.alt}, svg), side = p.root - 8;
    make('rect', {class: 'frame root', x: p.middle - side / 2 - 2, y: 2, width: side + 4, height: side + 4, rx: 4}, root);
    make('image', {href: value.picture.src, x: p.middle - side / 2, y: 4, width: side, height: side}, root);
  }
  list.forEach((item, index) => pair(svg, item, index, p));
  const legend = tag('p', 'legend', host);
  (Array.isArray(value.legend) ? value.legend : []).forEach(entry => tag('span', entry.kind, legend, entry.text));
  paint();
  if (held) focusOn(held.index, held.kind);
};

const paint = () => {
  host.querySelectorAll('.pair').forEach(g => g.classList.toggle('chosen', +g.dataset.index === chosen));
  host.querySelectorAll('.tile').forEach(g => {
    const mine = +g.dataset.index === chosen;
    g.setAttribute('aria-pressed', mine);
    g.setAttribute('tabindex', mine && g.dataset.kind === ((focus && focus.kind) || 'noise') ? 0 : -1);
  });
  drawDetail();
};
const light = index => host.querySelectorAll('.pair').forEach(g => g.classList.toggle('lit', +g.dataset.index === index));
const focusOn = (index, kind) => {
  const node = host.querySelector(`.tile.${kind}[data-index="${index}"]`);
  if (node) node.focus({preventScroll: false});
};
const choose = (index, kind) => { chosen = index; focus = {index, kind}; paint(); };

// The strip of the chosen seed: out to x_n, and the way back as the state and as the network's estimate.
const cell = (row, src, alt, caption) => {
  const box = tag('figure', '', row);
  if (isPng(src)) picture(src, alt, box); else tag('span', 'blank', box);
  tag('figcaption', '', box, caption);
};
const drawDetail = () => {
  const value = props.value || {}, item = items()[chosen];
  detail.replaceChildren();
  if (!item || typeof item.path !== 'string' || !value.picture) return;
  const path = JSON.parse(item.path);
  tag('h3', '', detail, `Seed ${item.seed}, there and back`);
  tag('p', 'line ' + outcome(item), detail, item.summary);
  const acts = tag('p', 'acts', detail), alone = tag('a', '', acts, `Open seed ${item.seed} alone`);
  alone.href = `?${item.query}`;
  [['n', 'Save x_n'], ['reconstruction', 'Save the reconstruction']].forEach(([which, words]) => {
    const made = tag('button', '', acts, words);
    made.type = 'button';
    made.addEventListener('click', () => trigger('select', {index: `seed-${item.seed}-${which === 'n' ? 'x_n' : which}`, value: true}));
  });
  const states = tag('div', 'strip', detail), guesses = tag('div', 'strip', detail);
  states.setAttribute('aria-label', 'The state on its way'); guesses.setAttribute('aria-label', 'The estimate on its way');
  states.style.setProperty('--count', path.length + 2); guesses.style.setProperty('--count', path.length + 2);
  cell(states, value.picture.src, value.picture.alt, 'x0'); cell(guesses, null, '', 'x0_hat');
  path.forEach(frame => {
    cell(states, frame.x, `seed ${item.seed}, the state at n = ${frame.n}`, `n ${frame.n}`);
    cell(guesses, frame.x0_hat, `seed ${item.seed}, the clean picture estimated at n = ${frame.n}`, `from ${frame.n}`);
  });
  cell(states, item.reconstruction, item.reconstruction_alt, 'back'); cell(guesses, item.reconstruction, item.reconstruction_alt, 'result');
};

host.addEventListener('click', event => {
  const g = event.target.closest('.tile');
  if (g) choose(+g.dataset.index, g.dataset.kind);
});
host.addEventListener('pointerover', event => { const g = event.target.closest('.tile'); light(g ? +g.dataset.index : -1); });
host.addEventListener('pointerleave', () => light(-1));
host.addEventListener('focusin', event => {
  const g = event.target.closest('.tile');
  if (g) { focus = {index: +g.dataset.index, kind: g.dataset.kind}; light(focus.index); }
});
host.addEventListener('focusout', () => light(-1));
host.addEventListener('keydown', event => {
  const g = event.target.closest('.tile');
  if (!g) return;
  const index = +g.dataset.index, last = items().length - 1, kind = g.dataset.kind;
  const moves = {ArrowRight: [Math.min(index + 1, last), kind], ArrowLeft: [Math.max(index - 1, 0), kind], Home: [0, kind], End: [last, kind],
    ArrowDown: [index, 'reconstruction'], ArrowUp: [index, 'noise'], Enter: [index, kind], ' ': [index, kind]};
  const to = moves[event.key];
  if (!to) return;
  event.preventDefault();
  choose(to[0], to[1]);
  focusOn(to[0], to[1]);
});

watch('value', draw);
new ResizeObserver(() => { if (Math.abs(host.clientWidth - drawnWidth) > 1) draw(); }).observe(host);
draw();
