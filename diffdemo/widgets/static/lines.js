// One line chart for all tabs that need one. spec = {title, x: {label, log, from, to, ticks}, y: {…}, series: [{key, label, points: [[x, y]], dashed}],
// marks: [{x, text}], rules: [{y, text}]}; `from` may be larger than `to`. Points outside the range are left out. A line may have a band {low, high},
// and an axis with `percent` writes shares as percentages.
// The first line of a chart is its main one.
const DASHED = ['rmse', 'fixed-point'];
const dashed = line => Boolean(line.dashed) || DASHED.includes(line.key);
const styled = (line, part, place) => `${part} ${line.key}${place === 0 ? ' main' : ''}${dashed(line) ? ' dashed' : ''}`;
// A swatch and a label for each line.
const explain = (legend, lines) => lines.forEach((line, place) => {
  const entry = tag('span', '', legend), swatch = make('svg', {width: 30, height: 10, 'aria-hidden': 'true'}, entry);
  make('line', {class: styled(line, 'series', place), x1: 1, x2: 29, y1: 5, y2: 5}, swatch);
  tag('span', '', entry, line.label);
});
const plotLines = (host, spec) => {
  host.replaceChildren();
  const width = Math.max(240, Math.floor(host.clientWidth) || 320), height = spec.height || 220, left = 48, right = 14, top = 24, bottom = 40;
  tag('h3', '', host, spec.title);
  const scale = (axis, start, end) => {
    const of = axis.log ? Math.log10 : v => v, from = of(axis.from), to = of(axis.to);
    return v => start + (of(v) - from) / ((to - from) || 1) * (end - start);
  };
  const x = scale(spec.x, left, width - right), y = scale(spec.y, height - bottom, top);
  const inside = p => p.every(Number.isFinite) && p[1] >= Math.min(spec.y.from, spec.y.to) && p[1] <= Math.max(spec.y.from, spec.y.to);
  const svg = make('svg', {class: 'lines', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': spec.title}, host);
  const short = v => (v !== 0 && (Math.abs(v) < 0.001 || Math.abs(v) >= 1e5) ? v.toExponential(0).replace('e+', 'e') : String(v));
  const written = (axis, v) => (axis.percent ? `${Math.round(100 * v)}\u00a0%` : short(v));
  spec.y.ticks.forEach(v => {
    make('line', {class: 'grid', x1: left, x2: width - right, y1: y(v), y2: y(v)}, svg);
    make('text', {x: left - 6, y: y(v) + 4, 'text-anchor': 'end'}, svg, written(spec.y, v));
  });
  spec.x.ticks.forEach(v => make('text', {x: x(v), y: height - bottom + 17, 'text-anchor': 'middle'}, svg, short(v)));
  make('text', {class: 'unit', x: (left + width - right) / 2, y: height - 5, 'text-anchor': 'middle'}, svg, spec.x.label);
  make('text', {class: 'unit', x: left - 6, y: 12, 'text-anchor': 'end'}, svg, spec.y.label || '');
  (spec.rules || []).forEach(rule => make('line', {class: 'rule', x1: left, x2: width - right, y1: y(rule.y), y2: y(rule.y)}, svg));
  (spec.marks || []).forEach(mark => make('line', {class: 'now', x1: x(mark.x), x2: x(mark.x), y1: 4, y2: height - bottom}, svg));
  spec.series.filter(line => line.band).forEach(line => {
    const edge = values => line.points.map((p, k) => `${x(p[0])},${y(values[k])}`);
    make('polygon', {class: 'band', points: [...edge(line.band.high), ...edge(line.band.low).reverse()].join(' ')}, svg);
  });
  spec.series.forEach((line, place) => {
    const points = line.points.filter(inside).map(p => [x(p[0]), y(p[1])]);
    make('polyline', {class: styled(line, 'series', place), points: points.map(p => p.join(',')).join(' ')}, svg);
    if (!dashed(line) && points.length < 24) points.forEach(p => make('circle', {class: styled(line, 'dot', place), cx: p[0], cy: p[1], r: 3}, svg));
  });
  // words last, so that no line crosses them
  (spec.rules || []).forEach(rule => make('text', {x: width - right - 4, y: y(rule.y) - 5, 'text-anchor': 'end'}, svg, rule.text));
  (spec.marks || []).forEach(mark => {
    const late = x(mark.x) > width - right - 70;
    make('text', {class: 'now', x: x(mark.x) + (late ? -5 : 5), y: 14, 'text-anchor': late ? 'end' : 'start'}, svg, mark.text);
  });
  explain(tag('p', 'legend', host), spec.series);
};
// Ticks 1, 10, 100 … (or their reciprocals) around a range, and the range they span.
const decades = values => {
  const good = values.filter(v => v > 0 && Number.isFinite(v)), low = Math.floor(Math.log10(Math.min(...good))), high = Math.ceil(Math.log10(Math.max(...good)));
  const ticks = Array.from({length: Math.max(1, high - low) + 1}, (_, k) => Number((10 ** (low + k)).toPrecision(1)));
  return {log: true, from: ticks[0], to: ticks[ticks.length - 1], ticks};
};
// Builds a component from its value when that is new, and draws its charts then, whenever the width changes, and when a fold around them opens;
// values that are not `ready` are empty.
const redrawn = (element, ready, build, charts) => {
  let width = 0, drawn;
  const draw = () => {
    const value = props.value && ready(props.value) ? props.value : null;
    if (value !== drawn) { drawn = value; build(value); }
    if (value) charts(value);
  };
  new ResizeObserver(() => { if (Math.abs(element.clientWidth - width) > 1) { width = element.clientWidth; draw(); } }).observe(element);
  element.addEventListener('toggle', draw, true);
  watch('value', draw);
  draw();
};
