// What is known of one picture and its noises at many levels n. The stage and the dial draw it; outcomes.js fetches it.
// One store a page: {key, query, levels, rows: n → row, base, split}. A row: {n, back, kept, said, short, image, top, noisy}.
const STORE = 'diffdemo:outcomes';
const store = window.diffdemoOutcomes || (window.diffdemoOutcomes = {key: '', query: '', levels: [], rows: new Map(), base: null, split: false});
const announce = () => document.dispatchEvent(new Event(STORE));
const rowAt = n => store.rows.get(n);
const nearestRow = n => {
  let found = null;
  store.rows.forEach(row => { if (!found || Math.abs(row.n - n) < Math.abs(found.n - n)) found = row; });
  return found;
};
// Which of the levels that are computed a finger on the dial means.
const nearestLevel = n => { const row = nearestRow(n); return row && store.levels.length && store.rows.size >= store.levels.length ? row.n : n; };
const splitLevels = () => { const top = store.levels[store.levels.length - 1] || 0; return [Math.round(top / 4), top]; };
// How a row came out: teal where most came back, orange where most did not.
const mostly = row => (2 * row.back.filter(Boolean).length >= row.back.length ? 'back' : 'changed');

const decoded = (text, type) => {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  return new type(bytes.buffer);
};
const fromHalf = half => {
  const sign = half & 0x8000 ? -1 : 1, exponent = (half >> 10) & 31, fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

// Draws one picture into a canvas, whole pixels for whole pixels; the style sheet enlarges it.
const fit = (canvas, width, height) => { if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; } };
const clear = canvas => canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
const drawCell = (canvas, row, seed) => {
  const width = row.image.width / row.back.length, height = row.height;
  fit(canvas, width, height);
  canvas.getContext('2d').drawImage(row.image, seed * width, row.top, width, height, 0, 0, width, height);
};
