// The result in one sentence, how far it is while the network works, and what can be taken away when it is done.
// props.value = {text, note, done, total} or {text, note, link, told, markdown, film, space, fresh}; `link` is the query of the experiment.
const share = element.querySelector('.share');

// The address bar follows the run; in the frame of a Space the page around it is told too.
const push = value => {
  const url = new URL(location.href), kept = [...url.searchParams].filter(([name]) => name.startsWith('__') && name !== '__sign');
  const query = value.link + kept.map(([name, said]) => `&${name}=${encodeURIComponent(said)}`).join('');
  history.replaceState(history.state, '', `${url.pathname}?${query}${url.hash}`);
  if (window.parent !== window) window.parent.postMessage({queryString: value.link, hash: ''}, 'https://huggingface.co');
};

const FILES = [['sheet', 'Contact sheet, PNG'], ['webp', 'Film, WebP'], ['gif', 'Film, GIF'], ['csv', 'Table, CSV'], ['json', 'All numbers, JSON'], ['zip', 'Everything, ZIP']];
const drawShare = value => {
  share.replaceChildren();
  if (typeof value.link !== 'string') return;
  button(share, 'Copy link', made => copy(address(value), made, share));
  if (space(value)) button(share, 'Copy link with preview', made => copy(`${own()}?${value.link}`, made, share));
  button(share, 'Copy for the forum', made => copy(String(value.markdown || '').replaceAll('{link}', address(value)), made, share));
  const save = tag('details', 'save', share);
  tag('summary', 'button', save, 'Save');
  const list = tag('div', 'files', save), label = tag('label', '', list), box = tag('input', '', label);
  box.type = 'checkbox'; box.checked = true;
  tag('span', '', label, 'PNGs carry the experiment as text: drop one on this page and it comes back');
  FILES.filter(([kind]) => value.film || !['webp', 'gif'].includes(kind)).forEach(([kind, words]) =>
    button(list, words, () => trigger('select', {index: kind, value: box.checked})));
};

const remember = ({link, told, space}) => {
  if (typeof link === 'string' && told) keep([...found().filter(run => run.link !== link), {link, told, space}]);
};

let shared;
const draw = () => {
  const value = props.value || {};
  report(element, value);
  if (shared !== value.link) { shared = value.link; drawShare(value); remember(value); }
  if (value.fresh && value.link) push(value);
};
watch('value', draw);
draw();

// Coming back to a tab whose result still stands puts its link into the address bar again.
let seen = true;
new ResizeObserver(() => {
  const now = element.offsetParent !== null, value = props.value || {};
  if (now && !seen && value.link) push(value);
  seen = now;
}).observe(element);
