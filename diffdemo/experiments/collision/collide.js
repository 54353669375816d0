// Two equations with one x_n, how plausible B's noise is, the ways back, the odds over n.
// props.value is data only (see words.py).
const part = Object.fromEntries(['equations', 'facts', 'ways-title', 'ways', 'odds'].map(name => [name, element.querySelector('.' + name)]));
const LIMIT = 12; // log10 of odds beyond which the curve is cut off

const term = (row, number, shown, name) => {
  const figure = tag('figure', '', row);
  tag('span', 'factor', figure, `${number} ×`);
  picture(shown.src, shown.alt, figure);
  tag('figcaption', '', figure, name);
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
  const points = value.odds.map(([n, odds]) => [n, Math.max(-LIMIT, Math.min(LIMIT, odds))]);
  plotLines(part.odds, {title: 'The exact odds A : B over n, with the same noise on A', series: [{key: 'odds', label: `log10 of the odds, cut off at ±${LIMIT}`, points}],
    x: {label: 'noise steps n', from: 0, to: value.T, ticks: [0, 0.25, 0.5, 0.75, 1].map(share => Math.round(share * value.T))},
    y: {from: Math.min(0, ...points.map(p => Math.floor(p[1]))), to: LIMIT, ticks: [-12, -8, -4, 0, 4, 8, 12].filter(v => v >= Math.min(0, ...points.map(p => Math.floor(p[1]))))},
    marks: [{x: value.n, text: `dial ${value.n}`}], rules: [{y: 0, text: 'even'}]});
};

const drawWay = way => {
  const figure = tag('figure', way.who ? 'judged back' : 'judged changed', part.ways);
  picture(way.src, way.alt, figure);
  const caption = tag('figcaption', '', figure);
  tag('b', '', caption, way.verdict); tag('span', '', caption, way.read);
};
const build = value => {
  Object.values(part).forEach(node => node.replaceChildren());
  if (!value) return;
  equation(value, 'A'); equation(value, 'B');
  const list = tag('dl', '', part.facts);
  value.facts.forEach(fact => { tag('dt', '', list, fact.term); tag('dd', 'value', list, fact.value); tag('dd', '', list, fact.help); });
  part['ways-title'].textContent = `${value.ways.length === 1 ? 'The way' : 'Ways'} back from the shared x_n, with fresh noise`;
  value.ways.forEach(drawWay);
};
redrawn(element, value => Array.isArray(value.odds), build, drawOdds);
