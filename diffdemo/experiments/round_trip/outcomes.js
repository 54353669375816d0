// Fetches outcomes: what is shipped at once, the rest level by level from coarse to fine, while the stage is in view.
// props.value = {key, rows: [{n, src, x_n, back, kept, said, short}]}, at first with {levels, shape, seeds, noise, pure, sprite} too.
const BATCH = 2;
let asked = '', waiting = false;

const load = src => new Promise((done, failed) => {
  const image = new Image();
  image.onload = () => done(image); image.onerror = failed; image.src = src;
});
// 250 and 1000 of 1000 first, as the page compares them; then halves, quarters, eighths.
const order = levels => {
  const last = levels.length - 1, first = splitLevels(), found = levels.filter(n => first.includes(n)).reverse();
  for (let step = 1 << Math.ceil(Math.log2(last || 1)); step >= 1; step >>= 1)
    for (let place = 0; place <= last; place += step) if (!found.includes(levels[place])) found.push(levels[place]);
  return found;
};
const open = () => { const tab = document.getElementById('round-trip-tab-button'); return !document.hidden && (!tab || tab.getAttribute('aria-selected') === 'true'); };
const ask = () => {
  if (waiting || !store.query || !open()) return;
  const first = asked !== store.key, missing = first ? [] : order(store.levels).filter(n => !rowAt(n)).slice(0, BATCH);
  if (!first && (!missing.length || !store.finished)) return;  // levels of a run that was stopped are not worth their time
  asked = store.key; waiting = true;
  trigger('select', {index: 0, value: null, query: store.query, levels: missing});
};

const begin = value => {
  const [, height, width] = value.shape;
  store.levels = value.levels;
  store.base = {...value, noise: value.noise ? Float32Array.from(decoded(value.noise, Uint16Array), fromHalf) : null, width, height};
};
const take = async value => {
  if (!value || typeof value.key !== 'string') return;
  waiting = false;
  if (value.key !== store.key) return ask();
  asked = value.key;
  if (Array.isArray(value.levels)) begin(value);
  const sprite = isPng(value.sprite) ? await load(value.sprite) : null;
  const images = await Promise.all(value.rows.map(row => sprite || load(row.src)));
  const noisy = await Promise.all(value.rows.map(row => (isPng(row.x_n) ? load(row.x_n) : null)));
  if (value.key !== store.key) return ask();
  value.rows.forEach((row, place) => {
    const height = sprite ? sprite.height / value.rows.length : images[place].height;
    store.rows.set(row.n, {...row, image: images[place], height, top: sprite ? place * height : 0, noisy: noisy[place]});
  });
  announce();
  ask();
};
// The stage says which round trip it shows.
document.addEventListener('diffdemo:stage', () => { waiting = waiting && asked === store.key; ask(); });
document.addEventListener('visibilitychange', ask);
document.addEventListener('diffdemo:opened', ask);
watch('value', () => take(props.value));
take(props.value);
