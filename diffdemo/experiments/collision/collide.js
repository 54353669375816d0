// A, B and the one noisy picture they share, whose picture comes back from it; behind a fold both noises, numbers and odds.
// props.value is data only (see words.py).
const part = Object.fromEntries(['shared', 'ways-title', 'ways', 'verdicts', 'equations', 'facts', 'odds'].map(name => [name, element.querySelector('.' + name)]));
const LIMIT = 12; // log10 of odds beyond which the curve is cut off

const drawShared = value => {
  figure(part.shared, value.a.src, value.a.alt, 'A', 'your picture, with one noise');
  sign(part.shared, '→');
  figure(part.shared, value.x_n.src, value.x_n.alt, 'x_n', `the one noisy picture, at n = ${value.n}`);
  sign(part.shared, '←');
  figure(part.shared, value.b.src, value.b.alt, 'B', 'the other picture, with another noise');
};

const term = (row, number, shown, name) => {
  const box = tag('figure', '', row);
  tag('span', 'factor', box, `${number} ×`);
  picture(shown.src, shown.alt, box);
  tag('figcaption', '', box, name);
};
const equation = (value, which) => {
  const row = tag('div', 'equation', part.equations), lower = which.toLowerCase();
  const result = tag('figure', 'result', row);
  picture(value.x_n.src, value.x_n.alt, result);
  tag('figcaption', '', result, 'x_n');
  tag('span', 'sign', row, '=');
  term(row, value.signal, value[lower], `picture ${which}`);
  tag('span', 'sign', row, '+');
  term(row, value.spread, value[`eps_${lower}`], which === 'A' ? 'its noise, from the seed' : 'the noise B needs');
};

const drawOdds = value => {
  const points = value.odds.map(([n, odds]) => [n, Math.max(-LIMIT, Math.min(LIMIT, odds))]), low = Math.min(0, ...points.map(p => Math.floor(p[1])));
  plotLines(part.odds, {title: 'How much likelier A is, at every n', series: [{key: 'odds', label: `powers of ten, cut off at ±${LIMIT}: at 6, A is a million times likelier`, points}],
    x: {label: 'noise steps n', from: 0, to: value.T, ticks: [0, 0.25, 0.5, 0.75, 1].map(share => Math.round(share * value.T))},
    y: {from: low, to: LIMIT, ticks: [-12, -8, -4, 0, 4, 8, 12].filter(v => v >= low)},
    marks: [{x: value.n, text: `n = ${value.n}`}], rules: [{y: 0, text: 'equally likely'}]});
};

const build = value => {
  Object.values(part).forEach(node => node.replaceChildren());
  element.querySelector('.more').hidden = !value;
  if (!value) return;
  drawShared(value);
  part['ways-title'].textContent = value.ways.length === 1 ? 'Who came back when the noise was removed' : `Who came back when the noise was removed, ${value.ways.length} tries`;
  value.ways.forEach(way => figure(part.ways, way.src, way.alt, way.verdict, way.read, way.who ? 'back' : 'changed'));
  if (!value.same) { tag('span', 'back', part.verdicts, '✓ A or B came back'); tag('span', 'changed', part.verdicts, '≠ another picture'); }
  if (value.reading) tag('span', '', part.verdicts, value.reading);
  equation(value, 'A'); equation(value, 'B');
  const list = tag('dl', '', part.facts);
  value.facts.forEach(fact => { tag('dt', '', list, fact.term); tag('dd', 'value', list, fact.value); tag('dd', '', list, fact.help); });
};
redrawn(element, value => Array.isArray(value.odds), build, drawOdds);
