// How certainty arrives: x_n, the candidates with their exact probabilities, two guesses, attributes; one frame a level of n.
// props.value is data only (see ui/belief_view.py); the play button walks n from its largest value to 0 and back.
const [controls, guesses, track, candidates, marginals] =
  ['controls', 'guesses', 'track', 'candidates', 'marginals'].map(name => element.querySelector('.' + name));
const HELD = 8; // ticks that the end without noise is held for
let at = 0, timer = null, heading = 1, held = 0;

const frames = () => (props.value && Array.isArray(props.value.frames) ? props.value.frames : []);

// The controls are built once, so that playing never takes the focus away.
const play = tag('button', 'play', controls, '▶ Play');
play.type = 'button';
const range = tag('input', '', controls);
range.type = 'range'; range.min = 0; range.step = 1; range.setAttribute('aria-label', 'Level of noise shown');
const label = tag('output', '', controls);
const said = tag('p', 'said', controls);

const stop = () => { clearInterval(timer); timer = null; play.textContent = '▶ Play'; };
const tick = () => {
  const last = frames().length - 1;
  if (at + heading < 0 || at + heading > last) {
    if (heading > 0) return stop();
    if (held++ < HELD) return;
    heading = 1;
  }
  at += heading;
  show();
};
play.addEventListener('click', () => {
  if (timer) return stop();
  at = frames().length - 1; heading = -1; held = 0; show();
  play.textContent = '❚❚ Pause';
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  timer = setInterval(tick, calm ? 900 : 160);
});
range.addEventListener('input', () => { stop(); at = +range.value; show(); });

const guess = (src, name, words, alt) => {
  const figure = tag('figure', '', guesses);
  picture(src, alt, figure);
  const caption = tag('figcaption', '', figure);
  tag('b', '', caption, name); tag('span', '', caption, words);
};

const drawTrack = () => {
  track.replaceChildren();
  const list = frames(), width = Math.floor(track.clientWidth) || 320, height = 92, base = 70, top = 8, bits = props.value.bits;
  const largest = list[list.length - 1].n || 1, x = n => 8 + n / largest * (width - 16), y = share => top + (1 - share) * (base - top);
  const parted = Math.max(0.2, ...list.map(frame => frame.difference));
  const svg = make('svg', {width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': 'Entropy of the posterior, and how far the two guesses are apart, at every n'}, track);
  make('line', {class: 'rule', x1: 8, x2: width - 8, y1: base, y2: base}, svg);
  const points = share => list.map(frame => `${x(frame.n)},${y(share(frame))}`).join(' ');
  make('polyline', {class: 'entropy', points: points(frame => (bits ? frame.entropy / bits : 0))}, svg);
  make('polyline', {class: 'apart', points: points(frame => frame.difference / parted)}, svg);
  make('line', {class: 'now', x1: x(list[at].n), x2: x(list[at].n), y1: top - 4, y2: base + 4}, svg);
  [0, 250, 500, 750, 1000].filter(n => n <= largest).forEach(n => make('text', {x: x(n), y: base + 16, 'text-anchor': n === 0 ? 'start' : n === largest ? 'end' : 'middle'}, svg, n));
  const words = tag('p', 'words', track);
  tag('span', 'entropy', words, `solid: bits missing, up to ${bits.toFixed(1)}`);
  tag('span', 'apart', words, `dashed: RMSE between the two guesses, up to ${parted.toFixed(2)}`);
};

const drawCandidates = frame => {
  candidates.replaceChildren();
  tag('h3', '', candidates, `The most probable of ${props.value.count.toLocaleString('en')} pictures`);
  frame.top.forEach(entry => {
    const found = props.value.candidates[entry.name] || {}, row = tag('div', 'row' + (entry.own ? ' own' : ''), candidates);
    picture(found.src, found.alt, row);
    const bar = tag('span', 'bar', row);
    tag('span', 'fill', bar).style.width = `${100 * entry.p}%`;
    tag('span', 'words', row, `${found.alt}${entry.own ? ', the original' : ''}`);
    tag('b', '', row, entry.text);
  });
};

const drawMarginals = frame => {
  marginals.replaceChildren();
  tag('h3', '', marginals, 'What can be said of each attribute (✓ what the original has)');
  const list = tag('dl', '', marginals);
  frame.marginals.forEach(attribute => {
    tag('dt', '', list, attribute.name);
    const row = tag('dd', '', list);
    attribute.values.forEach(value => {
      const chip = tag('span', 'chip' + (value.true ? ' true' : ''), row);
      if (/^#[0-9a-f]{6}$/.test(value.word)) { const dot = tag('i', '', chip); dot.style.background = value.word; dot.title = value.word; }
      else tag('span', '', chip, value.word);
      tag('span', 'p', chip, `${value.true ? '✓ ' : ''}${value.text}`);
      chip.style.setProperty('--p', `${100 * value.p}%`);
    });
  });
};

const show = () => {
  const frame = frames()[at];
  if (!frame) return;
  range.value = at; label.textContent = `n = ${frame.n}`; said.textContent = frame.text;
  guesses.replaceChildren();
  guess(frame.x_n, 'x_n', `the picture with ${frame.n} steps of noise`, `the picture with ${frame.n} steps of noise`);
  guess(frame.x0_hat, 'x0_hat', 'the network’s guess: any picture is possible', `the network's guess from n = ${frame.n}`);
  guess(frame.mean, 'posterior mean', `the exact guess of one who knows the line-up; ${frame.difference.toFixed(3)} RMSE away`, `the exact posterior mean at n = ${frame.n}`);
  drawTrack(); drawCandidates(frame); drawMarginals(frame);
};
const draw = () => {
  stop();
  const list = frames();
  element.classList.toggle('empty', !list.length);
  if (!list.length) return;
  at = Math.min(props.value.start || 0, list.length - 1);
  range.max = list.length - 1;
  show();
};
watch('value', draw);
let width = 0;
new ResizeObserver(() => { if (Math.abs(track.clientWidth - width) > 1) { width = track.clientWidth; if (frames().length) drawTrack(); } }).observe(element);
draw();
