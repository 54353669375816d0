// Shared by the components that say and pass on what the visitor's runs found.
// Where this page is, on a Space as people name it, and the address of an experiment there.
const own = () => location.origin + location.pathname;
const space = value => (/^[\w.-]+\/[\w.-]+$/.test(value.space || '') ? `https://huggingface.co/spaces/${value.space}` : '');
const address = value => `${space(value) || own()}?${value.link}`;
const copy = async (words, button, around) => {
  const done = said => { const before = button.dataset.said; button.textContent = said; setTimeout(() => { button.textContent = before; }, 1800); };
  try { await navigator.clipboard.writeText(words); done('Copied'); return; } catch { /* not allowed here: the older way */ }
  const area = tag('textarea', 'by-hand', around);
  area.value = words; area.setAttribute('aria-label', 'Text to copy'); area.select();
  if (document.execCommand('copy')) { area.remove(); done('Copied'); } else button.textContent = 'Copy the text below';
};
const button = (parent, words, act) => {
  const made = tag('button', '', parent, words);
  made.type = 'button'; made.dataset.said = words;
  made.addEventListener('click', () => act(made));
  return made;
};
// What the visitor's runs said, in order, as long as this tab of the browser is open: [{link, told, space}]; the seventh tab reads it.
const FOUND = 'diffdemo-found', RUNS = 100;
const found = () => { try { return JSON.parse(sessionStorage.getItem(FOUND)) || []; } catch { return []; } };
const keep = runs => {
  try { sessionStorage.setItem(FOUND, JSON.stringify(runs.slice(-RUNS))); } catch { /* a browser that keeps nothing */ }
  dispatchEvent(new CustomEvent(FOUND));
};
const openTab = title => {
  const tabs = [...document.querySelectorAll('[role=tablist] button, .overflow-dropdown button')], tab = tabs.find(each => each.textContent.trim() === title);
  if (!tab) return;
  tab.click();
  tab.scrollIntoView({block: 'nearest'});
  tab.focus({preventScroll: true});
};
