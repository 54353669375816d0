// The pixel pad. props.value = {side, channels, swatches: [{name, colours}], pixels}, pixels row by row: 0xrrggbb, or 0..255 with one channel.
// Drawing stays here; only "Use this drawing" triggers 'select', with {side, channels, pixels} as its value.
const find = selector => element.querySelector(selector);
const canvas = find('canvas'), board = find('.board'), grid = find('.grid'), cursorBox = find('.cursor'), said = find('.said');
const tools = find('.tools'), swatches = find('.swatches'), context = canvas.getContext('2d');
const LARGEST = 288, UNDO_STEPS = 40;
let side = 0, rows = 0, grey = false, pixels = [], blank = 0, colour = 0, tool = 'pen', past = [];
let cursor = {x: 0, y: 0}, pointer = null, last = null;

const isColour = text => typeof text === 'string' && /^#[0-9a-f]{6}$/.test(text);
const code = text => parseInt(text.slice(1), 16);
const within = (value, low, high) => Math.min(high, Math.max(low, value));

const paint = () => {
  const image = context.createImageData(side, rows);
  pixels.forEach((pixel, i) => {
    const rgb = grey ? [pixel, pixel, pixel] : [pixel >> 16, (pixel >> 8) & 255, pixel & 255];
    image.data.set([...rgb, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
};
const resize = () => {
  const room = Math.min(LARGEST, tools.clientWidth);
  if (!room || !side) return;
  const cell = room >= side ? Math.floor(room / side) : room / side;
  board.style.width = `${cell * side}px`;
  board.style.height = `${cell * rows}px`;
  grid.style.backgroundSize = `${cell}px ${cell}px`;
  grid.hidden = cell < 6;
};

// A stroke reaches every pixel near the line between two points: all or nothing in colour, with a soft rim in grey.
const distance = (x, y, a, b) => {
  const dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const t = length ? within(((x - a.x) * dx + (y - a.y) * dy) / length, 0, 1) : 0;
  return Math.hypot(x - a.x - t * dx, y - a.y - t * dy);
};
const stroke = (a, b) => {
  const scale = grey ? side / 32 : Math.max(1, Math.round(side / 16));
  const reach = grey ? (tool === 'eraser' ? 2.6 : 1.9) * scale : scale / 2 + 1e-6;
  const span = (p, q, end) => [Math.max(0, Math.floor(Math.min(p, q) - reach)), Math.min(end - 1, Math.ceil(Math.max(p, q) + reach))];
  const [left, right] = span(a.x, b.x, side), [top, bottom] = span(a.y, b.y, rows);
  for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) {
    const d = distance(x, y, a, b), i = y * side + x;
    if (d > reach) continue;
    const ink = Math.round(255 * within((reach - d) / (1.2 * scale), 0, 1));
    if (!grey) pixels[i] = tool === 'eraser' ? blank : colour;
    else pixels[i] = tool === 'eraser' ? Math.min(pixels[i], 255 - ink) : Math.max(pixels[i], ink);
  }
};
const fill = ({x, y}) => {
  const from = pixels[y * side + x], open = [[x, y]];
  if (from === colour) return;
  while (open.length) {
    const [u, v] = open.pop();
    if (u < 0 || v < 0 || u >= side || v >= rows || pixels[v * side + u] !== from) continue;
    pixels[v * side + u] = colour;
    open.push([u + 1, v], [u - 1, v], [u, v + 1], [u, v - 1]);
  }
};

const remember = () => {
  past.push(pixels.slice());
  past = past.slice(-UNDO_STEPS);
  showUndo();
};
const showUndo = () => { const button = find('[data-do=undo]'); if (button) button.disabled = !past.length; };
const undo = () => {
  if (past.length) pixels = past.pop();
  showUndo(); paint();
};
const clear = () => { remember(); pixels.fill(blank); paint(); };
const apply = (from, to) => {
  if (tool === 'fill') fill({x: Math.round(to.x), y: Math.round(to.y)}); else stroke(from, to);
  paint();
};

// Points are in pixels, whole numbers at their centres.
const place = event => {
  const box = canvas.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * side - 0.5, y = (event.clientY - box.top) / box.height * rows - 0.5;
  return grey ? {x, y} : {x: Math.round(x), y: Math.round(y)};
};
canvas.addEventListener('pointerdown', event => {
  if (pointer !== null || event.button !== 0) return;
  event.preventDefault();
  canvas.focus({preventScroll: true});
  showCursor(false);
  pointer = event.pointerId;
  canvas.setPointerCapture(pointer);
  last = place(event);
  cursor = {x: within(Math.round(last.x), 0, side - 1), y: within(Math.round(last.y), 0, rows - 1)};
  remember();
  apply(tool === 'fill' ? cursor : last, tool === 'fill' ? cursor : last);
});
canvas.addEventListener('pointermove', event => {
  if (event.pointerId !== pointer || tool === 'fill') return;
  const points = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  (points.length ? points : [event]).forEach(point => { const to = place(point); stroke(last, to); last = to; });
  paint();
});
const lift = event => { if (event.pointerId === pointer) pointer = null; };
['pointerup', 'pointercancel', 'lostpointercapture'].forEach(name => canvas.addEventListener(name, lift));

const showCursor = shown => {
  board.classList.toggle('keys', shown);
  Object.assign(cursorBox.style, {left: `${100 * cursor.x / side}%`, top: `${100 * cursor.y / rows}%`, width: `${100 / side}%`, height: `${100 / rows}%`});
};
const tell = () => {
  const pixel = pixels[cursor.y * side + cursor.x];
  said.textContent = `row ${cursor.y + 1}, column ${cursor.x + 1}, ${grey ? pixel : '#' + pixel.toString(16).padStart(6, '0')}`;
};
const MOVES = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1]};
canvas.addEventListener('keydown', event => {
  const move = MOVES[event.key], from = cursor;
  if (move) {
    cursor = {x: within(cursor.x + move[0], 0, side - 1), y: within(cursor.y + move[1], 0, rows - 1)};
    if (event.shiftKey && tool !== 'fill') { remember(); apply(from, cursor); }
  } else if (event.key === ' ' || event.key === 'Enter') { remember(); apply(cursor, cursor); }
  else if (event.key.toLowerCase() === 'z' && (event.ctrlKey || event.metaKey)) undo();
  else return;
  event.preventDefault();
  showCursor(true); tell();
});
canvas.addEventListener('focus', () => { if (canvas.matches(':focus-visible')) showCursor(true); });
canvas.addEventListener('blur', () => { showCursor(false); said.textContent = ''; });

const chooseTool = name => {
  tool = name;
  tools.querySelectorAll('[data-tool]').forEach(button => button.setAttribute('aria-pressed', button.dataset.tool === tool));
};
const drawTools = () => {
  tools.replaceChildren();
  const button = (key, name, text) => { tag('button', '', tools, text).dataset[key] = name; };
  button('tool', 'pen', 'Pen');
  if (!grey) button('tool', 'fill', 'Fill');
  button('tool', 'eraser', 'Eraser');
  button('do', 'undo', 'Undo');
  button('do', 'clear', 'Clear');
  tools.querySelectorAll('button').forEach(node => { node.type = 'button'; });
  chooseTool('pen'); showUndo();
};
tools.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.tool) chooseTool(button.dataset.tool);
  else if (button.dataset.do === 'undo') undo();
  else clear();
});

const chooseColour = chip => {
  swatches.querySelectorAll('.chip').forEach(node => { node.setAttribute('aria-checked', node === chip); node.tabIndex = node === chip ? 0 : -1; });
  colour = code(chip.dataset.colour);
  if (tool === 'eraser') chooseTool('pen');
};
const drawSwatches = groups => {
  swatches.replaceChildren();
  swatches.hidden = grey;
  groups.forEach(group => {
    const row = tag('div', 'group', swatches);
    tag('span', 'name', row, group.name).setAttribute('aria-hidden', 'true');
    const chips = tag('div', 'chips', row);
    group.colours.filter(isColour).forEach(text => {
      const chip = tag('button', 'chip', chips);
      chip.type = 'button'; chip.dataset.colour = text; chip.title = `${group.name} ${text}`; chip.style.backgroundColor = text;
      chip.setAttribute('role', 'radio'); chip.setAttribute('aria-label', chip.title);
    });
  });
  const chips = [...swatches.querySelectorAll('.chip')];
  const first = chips.find(chip => code(chip.dataset.colour) === colour) || chips.find(chip => code(chip.dataset.colour) !== blank);
  if (first) chooseColour(first);
};
swatches.addEventListener('click', event => { const chip = event.target.closest('.chip'); if (chip) chooseColour(chip); });
swatches.addEventListener('keydown', event => {
  const move = MOVES[event.key], chips = [...swatches.querySelectorAll('.chip')], at = chips.indexOf(event.target);
  if (!move || at < 0) return;
  event.preventDefault();
  const next = chips[(at + move[0] + move[1] + chips.length) % chips.length];
  chooseColour(next); next.focus();
});

find('.use').addEventListener('click', () => trigger('select', {index: 0, value: {side, channels: grey ? 1 : 3, pixels: pixels.slice()}}));

const load = () => {
  const value = props.value || {};
  if (!Number.isInteger(value.side) || value.side < 1 || !Array.isArray(value.pixels) || value.pixels.length % value.side) return;
  side = value.side; grey = value.channels === 1; pixels = value.pixels.map(Number); rows = pixels.length / side;
  blank = grey ? 0 : pixels[0]; past = []; pointer = null;
  cursor = {x: side >> 1, y: rows >> 1};
  canvas.width = side; canvas.height = rows;
  canvas.setAttribute('aria-label', `Drawing of ${side} by ${rows} pixels. Arrow keys move, space paints, Shift with an arrow draws a line, Control Z undoes.`);
  drawTools();
  drawSwatches(Array.isArray(value.swatches) ? value.swatches : []);
  resize(); paint(); showCursor(false);
};
// The place to choose a picture opens with the page's own picture on the board.
const startFrom = source => {
  if (!isPng(source) || !side) return;
  const image = new Image();
  image.onload = () => {
    if (image.width !== side || image.height !== rows) return;
    context.drawImage(image, 0, 0);
    const {data} = context.getImageData(0, 0, side, rows);
    pixels = pixels.map((_, i) => (grey ? data[4 * i] : (data[4 * i] << 16) | (data[4 * i + 1] << 8) | data[4 * i + 2]));
    past = []; showUndo(); paint();
  };
  image.src = source;
};
const startFromOwn = () => { const own = document.querySelector('#portrait img'); startFrom(own && own.src); };
document.addEventListener('diffdemo:pick', startFromOwn);
watch('value', load);
new ResizeObserver(resize).observe(tools);
load();
if (document.documentElement.dataset.picking) startFromOwn();  // a fold builds what is in it as it opens
