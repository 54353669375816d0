// The result in one sentence, how far it is while the network works, and what can be taken away when it is done.
// props.value = {text, note, done, total} or {text, note, link, told, markdown, film, space, fresh}; `link` is the query of the experiment.
const share = element.querySelector('.share'), ways = element.querySelector('.ways'), details = element.querySelector('.details'), now = element.querySelector('.now');
const panel = () => element.closest('[role=tabpanel]') || document;
const inView = () => element.offsetParent !== null;

// The address bar follows the run, a step of the browser's history each; in the frame of a Space the page around it is told too.
const ofPage = name => name.startsWith('__') || name === 'stage';
const push = value => {
  const url = new URL(location.href), kept = [...url.searchParams].filter(([name]) => ofPage(name) && name !== '__sign');
  const query = value.link + kept.map(([name, said]) => `&${name}=${encodeURIComponent(said)}`).join('');
  const bare = text => new URLSearchParams([...new URLSearchParams(text)].filter(([name]) => name !== 'revision' && !ofPage(name))).toString();
  const wanted = window.diffdemoGoing, same = bare(location.search) === bare(query);
  if (wanted && wanted !== '?' && bare(wanted) !== bare(query)) return;
  window.diffdemoGoing = false;
  const to = `${url.pathname}?${query}${url.hash}`;
  if (same || wanted) history.replaceState(history.state, '', to); else history.pushState(history.state, '', to);
  document.dispatchEvent(new Event('diffdemo:address'));
  if (window.parent !== window) window.parent.postMessage({queryString: value.link, hash: ''}, 'https://huggingface.co');
};

const FILES = [['sheet', 'Contact sheet, PNG'], ['webp', 'Film, WebP'], ['gif', 'Film, GIF'], ['csv', 'Table, CSV'], ['json', 'All numbers, JSON'], ['zip', 'Everything, ZIP']];
const drawShare = value => {
  ways.replaceChildren();
  share.hidden = typeof value.link !== 'string'; share.dataset.link = value.link || '';
  if (share.hidden) return;
  button(ways, 'Copy link', made => copy(address(value), made, ways));
  if (space(value)) button(ways, 'Copy link with preview', made => copy(`${own()}?${value.link}`, made, ways));
  button(ways, 'Copy for the forum', made => copy(String(value.markdown || '').replaceAll('{link}', address(value)).replaceAll('{card}', `${own().replace(/\/?$/, '/')}card.png?${value.link}`), made, ways));
  const label = tag('label', '', ways), box = tag('input', '', label);
  box.type = 'checkbox'; box.checked = true;
  tag('span', '', label, 'PNGs carry the experiment as text: drop one on this page and it comes back');
  FILES.filter(([kind]) => value.film || !['webp', 'gif'].includes(kind)).forEach(([kind, words]) =>
    button(ways, words, () => trigger('select', {index: kind, value: box.checked})));
};
document.addEventListener('diffdemo:share', () => {
  if (!inView() || share.hidden) return;
  share.open = true;
  share.scrollIntoView({block: 'center'});
  ways.querySelector('button').focus({preventScroll: true});
});

const remember = ({link, told, space}) => {
  if (typeof link === 'string' && told) keep([...found().filter(run => run.link !== link), {link, told, space}]);
};

// While something runs, what is still shown of another run is dimmed until the first picture of this one arrives.
const fade = busy => {
  const shown = panel().querySelector('.shown');
  if (!shown) return;
  if (!busy) return shown.classList.remove('stale');
  if (shown.dataset.watched) return;
  shown.dataset.watched = 'yes';
  shown.classList.add('stale');
  const watcher = new MutationObserver(() => { shown.classList.remove('stale'); watcher.disconnect(); delete shown.dataset.watched; });
  watcher.observe(shown, {childList: true, subtree: true});
};
// The dial says how far the run of the open tab is, wherever the page is scrolled to.
const tellStatus = text => {
  const {done, total} = props.value || {};
  window.diffdemoStatus = {text, share: total ? (Number(done) || 0) / total : null};
  document.dispatchEvent(new Event('diffdemo:busy'));
};
const progress = value => (typeof value.link === 'string' ? '' : unbroken(value.note));
// A run that waits for those of others says so.
const wait = () => {
  const {before, seconds} = window.diffdemoWaiting || {before: 0};
  const waiting = inView() && before > 0;
  if (waiting) now.textContent = `${before} ${before === 1 ? 'run' : 'runs'} before yours${seconds === null ? '' : `, about ${seconds} s`}.`;
  else if (now.dataset.waiting) now.textContent = progress(props.value || {});
  if (waiting) now.dataset.waiting = 'yes'; else delete now.dataset.waiting;
  if (!inView()) return;
  if (waiting) document.documentElement.dataset.waiting = 'yes'; else delete document.documentElement.dataset.waiting;
  tellStatus(now.textContent);
};
document.addEventListener('diffdemo:waiting', wait);
let busy = false;
const setBusy = value => {
  const before = busy;
  busy = Number(value.total) > 0;
  if (busy !== before) fade(busy);
  const {dataset} = document.documentElement;
  if (inView()) { if (busy || typeof value.link === 'string') delete dataset.unfinished; else dataset.unfinished = element.id; }
  if (busy) dataset.busy = element.id; else if (dataset.busy === element.id) delete dataset.busy;
  if (inView()) tellStatus(now.textContent); else document.dispatchEvent(new Event('diffdemo:busy'));
};

let shared, ended = null;
const draw = () => {
  const value = props.value || {}, done = typeof value.link === 'string';
  if (value.stopped) ended = value.stopped;
  if (value.run && value.run === ended) return;  // sent before the run was stopped
  report(element, value);
  now.textContent = progress(value);
  details.hidden = !done;
  if (shared !== value.link) { shared = value.link; drawShare(value); remember(value); }
  setBusy(value);
  if (value.fresh && value.link && inView()) push(value);
};
watch('value', draw);
draw();

// Coming back to a tab whose result still stands puts its link into the address bar again.
let seen = true;
new ResizeObserver(() => {
  const shown = inView(), value = props.value || {};
  if (shown && !seen && value.link && !window.diffdemoGoing) push(value);
  seen = shown;
}).observe(element);
