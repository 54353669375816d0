// Back and forward of the browser: triggers 'select' with the query of the run that the address names now.
let last = location.search;
window.addEventListener('popstate', () => {
  if (location.search === last) return;
  last = location.search;
  window.diffdemoGoing = location.search || '?';  // until that run is shown, no other one writes the address
  trigger('select', {index: 0, value: location.search});
});
['pointerdown', 'keydown'].forEach(name => document.addEventListener(name, () => { window.diffdemoGoing = false; }, true));
document.addEventListener('diffdemo:address', () => { last = location.search; });
