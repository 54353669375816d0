// What could it have been: the picture, its noisy version, two guesses and the candidates; one frame a level of n.
// props.value is data only (see words.py). The dial's n is the one n: it arrives as the event 'diffdemo:n' (the document's data-n), and playing moves the
// dial, with 'diffdemo:show-n' for each level: down from the largest n to 0, and up again to the n of the headline.
const [flow, player, candidates, track, marginals] =
  ['flow', 'player', 'candidates', 'track', 'marginals'].map(name => element.querySelector('.' + name));
const HELD = 8; // ticks that the end without noise is held for
let at = 0, timer = null, heading = -1, held = 0;

const frames = () => (props.value && Array.isArray(props.value.frames) ? props.value.frames : []);
const dial = () => Number(document.documentElement.dataset.n);
const nearest = () => frames().reduce((best, frame, k, list) => (Math.abs(frame.n - dial()) < Math.abs(list[best].n - dial()) ? k : best), 0);

// The player is built once, so that playing never takes the focus away.
const play = tag('button', 'play', player, '▶ Play');
play.type = 'button';
const label = tag('output', '', player);
const said = tag('p', 'said', player);

const turnTo = k => {
  at = k;
  const {n} = frames()[at];
  document.dispatchEvent(new CustomEvent('diffdemo:show-n', {detail: n}));
  show();
};
const stop = () => { clearInterval(timer); timer = null; play.textContent = '▶ Play'; };
const tick = () => {
  if (at === 0 && held++ < HELD) return;
  if (at === 0) heading = 1;
  if (heading > 0 && at >= props.value.start) return stop();
  turnTo(at + heading);
};
play.addEventListener('click', () => {
  if (timer) return stop();
  heading = -1; held = 0;
  turnTo(frames().length - 1);
  play.textContent = '❚❚ Pause';
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  timer = setInterval(tick, calm ? 900 : 160);
});

const drawFlow = frame => {
  const value = props.value, everyone = value.count.toLocaleString('en'), {n} = frame;
  flow.replaceChildren();
  figure(flow, value.x0.src, value.x0.alt, 'your picture', '');
  sign(flow, '→');
  figure(flow, frame.x_n, `the noisy picture after ${n} noise steps`, 'x_n', n ? `the noisy picture, after ${n} noise steps` : 'no noise yet');
  sign(flow, '→');
  figure(flow, frame.mean, `the best possible guess at n = ${n}`, 'best guess', `by someone who knows all ${everyone}`);
  figure(flow, frame.x0_hat, `the model's guess at n = ${n}`, 'the model’s guess', 'in one step');
};

const drawTrack = () => {
  const list = frames(), largest = list[list.length - 1].n || 1, bits = props.value.bits, now = list[at].n;
  const parted = Math.max(0.2, ...list.map(frame => frame.difference)), line = share => list.map(frame => [frame.n, Math.min(1, share(frame))]);
  plotLines(track, {title: 'How certainty goes with noise', height: 200,
    x: {label: 'noise steps n', from: 0, to: largest, ticks: [0, 0.25, 0.5, 0.75, 1].map(share => Math.round(share * largest))},
    y: {percent: true, from: 0, to: 1, ticks: [0, 0.5, 1]}, marks: [{x: now, text: `n = ${now}`}],
    series: [{key: 'entropy', label: `information missing, of ${bits.toFixed(1)} bits`, points: line(frame => (bits ? frame.entropy / bits : 0))},
      {key: 'apart', label: `distance between the two guesses, of RMSE ${parted.toFixed(2)}`, dashed: true, points: line(frame => frame.difference / parted)}]});
};

const drawCandidates = frame => {
  const {count} = props.value;
  candidates.replaceChildren();
  tag('h3', '', candidates, count === 1 ? 'The one picture it can have been' : 'The most probable pictures');
  if (count > 1) tag('p', '', candidates, `Before x_n was seen, each had a chance of 1 in ${count.toLocaleString('en')}.`);
  frame.top.forEach(entry => {
    const found = props.value.candidates[entry.name] || {}, row = tag('div', 'row' + (entry.own ? ' own' : ''), candidates);
    picture(found.src, found.alt, row);
    const bar = tag('span', 'bar', row);
    tag('span', 'fill', bar).style.width = `${100 * entry.p}%`;
    tag('span', 'words', row, entry.own ? `${found.alt}, the original` : found.alt);
    tag('b', '', row, unbroken(entry.text));
  });
};

const drawMarginals = frame => {
  marginals.replaceChildren();
  if (!frame.marginals.length) return;
  tag('h3', '', marginals, 'What can be said of each feature (✓ what the original has)');
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
  const off = Number.isFinite(dial()) && dial() !== frame.n;
  label.textContent = unbroken(`n = ${frame.n}`);
  said.textContent = unbroken(`${off ? 'The nearest level computed. ' : ''}${frame.text}`);
  drawFlow(frame); drawTrack(); drawCandidates(frame); drawMarginals(frame);
};
const follow = () => {
  if (!frames().length) return;
  const k = nearest();
  if (timer && k !== at) stop(); // somebody else moved the dial
  at = k;
  show();
};
const draw = () => {
  stop();
  const list = frames();
  element.classList.toggle('empty', !list.length);
  element.querySelector('.more').hidden = player.hidden = !list.length;
  if (!list.length) return [flow, candidates].forEach(node => node.replaceChildren());
  at = Number.isFinite(dial()) ? nearest() : Math.min(props.value.start || 0, list.length - 1);
  show();
};
document.addEventListener('diffdemo:n', follow);
watch('value', draw);
let width = 0;
new ResizeObserver(() => { if (Math.abs(track.clientWidth - width) > 1) { width = track.clientWidth; if (frames().length) drawTrack(); } }).observe(element);
element.addEventListener('toggle', () => { if (frames().length) drawTrack(); }, true);
draw();
