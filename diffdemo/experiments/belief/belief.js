// How certainty arrives: x_n, the candidates with their exact probabilities, two guesses, attributes; one frame a level of n.
// props.value is data only (see words.py); the play button walks n from its largest value to 0 and back.
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
  const list = frames(), largest = list[list.length - 1].n || 1, bits = props.value.bits, now = list[at].n;
  const parted = Math.max(0.2, ...list.map(frame => frame.difference)), line = share => list.map(frame => [frame.n, Math.min(1, share(frame))]);
  plotLines(track, {title: 'How certainty goes with noise', height: 180,
    x: {label: 'noise steps n', from: 0, to: largest, ticks: [0, 0.25, 0.5, 0.75, 1].map(share => Math.round(share * largest))},
    y: {label: 'share', from: 0, to: 1, ticks: [0, 0.5, 1]}, marks: [{x: now, text: `n = ${now}`}],
    series: [{key: 'entropy', label: `bits missing, of ${bits.toFixed(1)}`, points: line(frame => (bits ? frame.entropy / bits : 0))},
      {key: 'apart', label: `RMSE between the two guesses, of ${parted.toFixed(2)}`, dashed: true, points: line(frame => frame.difference / parted)}]});
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
