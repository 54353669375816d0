// The way through the page: groups, and numbered steps inside them. props.value = [{title, steps: [{number, title, question, place}]}].
// A step presses the tab of its place; Gradio's own strip of tabs is out of sight. The event 'diffdemo:opened' on the document says that one opened.
const nav = element.querySelector('.way');
const tabOf = place => document.getElementById(`${place}-button`);
const buttons = () => [...nav.querySelectorAll('button.step')];
const isOpen = place => { const tab = tabOf(place); return Boolean(tab) && tab.getAttribute('aria-selected') === 'true'; };
const mark = () => {
  nav.querySelectorAll('.group').forEach(group => group.classList.remove('open'));
  buttons().forEach(made => {
    const now = isOpen(made.dataset.place);
    if (now) { made.setAttribute('aria-current', 'step'); made.closest('.group').classList.add('open'); } else made.removeAttribute('aria-current');
  });
};
const go = place => {
  const tab = tabOf(place);
  if (!tab) return;
  tab.click();
  window.scrollTo({top: 0});
};
const draw = () => {
  nav.replaceChildren();
  (Array.isArray(props.value) ? props.value : []).forEach(entry => {
    const group = tag('section', 'group', nav);
    const head = tag('button', 'head', group, entry.title), list = tag('ol', '', group);
    head.type = 'button';
    head.addEventListener('click', () => go(entry.steps[0].place));
    entry.steps.forEach(step => {
      const made = tag('button', 'step', tag('li', '', list));
      made.type = 'button'; made.dataset.place = step.place;
      tag('b', 'number', made, step.number); tag('span', 'name', made, step.title); tag('span', 'asks', made, step.question);
      made.addEventListener('click', () => go(step.place));
    });
  });
  mark();
};
nav.addEventListener('keydown', event => {
  const all = buttons(), at = all.indexOf(event.target.closest('button.step'));
  const to = {ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1}[event.key];
  if (at < 0 || to === undefined || !all[to]) return;
  event.preventDefault();
  all[to].focus();
});
const follow = () => {
  const strip = document.querySelector('#tabs [role=tablist]');
  if (!strip) return setTimeout(follow, 50);
  new MutationObserver(() => { mark(); document.dispatchEvent(new Event('diffdemo:opened')); })
    .observe(document.querySelector('#tabs .tab-wrapper') || strip, {attributes: true, subtree: true, attributeFilter: ['aria-selected']});
  mark();
};
watch('value', draw);
draw();
follow();
