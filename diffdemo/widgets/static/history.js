// Back and forward of the browser: triggers 'select' with the query of the run that the address names now.
let last = location.search;
window.addEventListener('popstate', () => {
  if (location.search === last) return;
  last = location.search;
  window.diffdemoGoing = true;
  trigger('select', {index: 0, value: location.search});
});
document.addEventListener('diffdemo:address', () => { last = location.search; });
