// The place where a picture is chosen: 'diffdemo:pick' opens it; a picture that was chosen, Escape or Close closes it.
const place = () => document.getElementById('picker'), head = element.querySelector('.picker-head');
let opener = null;
const shut = () => {
  if (!document.documentElement.dataset.picking) return;
  delete document.documentElement.dataset.picking;
  if (opener && opener.isConnected) opener.focus({preventScroll: true});
  opener = null;
};
const open = () => {
  const panel = place();
  opener = document.activeElement;
  panel.setAttribute('role', 'dialog'); panel.setAttribute('aria-modal', 'true'); panel.setAttribute('aria-label', 'Choose a picture');
  document.documentElement.dataset.picking = 'yes';
  const first = panel.querySelector('.examples button');
  if (first) first.focus();
};
const close = tag('button', 'close', head, 'Close');
close.type = 'button';
close.addEventListener('click', shut);
document.addEventListener('diffdemo:pick', open);
document.addEventListener('diffdemo:picked', shut);
document.addEventListener('click', event => { if (event.target.closest('#picker .examples button, #another, #picker .use')) shut(); });
document.addEventListener('keydown', event => {
  if (!document.documentElement.dataset.picking) return;
  if (event.key === 'Escape') { event.preventDefault(); shut(); }
  if (event.key !== 'Tab') return;
  const all = [...place().querySelectorAll('button, input, canvas, a, summary, textarea')].filter(node => node.offsetParent && !node.disabled && node.tabIndex >= 0);
  const edge = event.shiftKey ? all[0] : all[all.length - 1];
  if (document.activeElement !== edge || !all.length) return;
  event.preventDefault();
  (event.shiftKey ? all[all.length - 1] : all[0]).focus();
});
