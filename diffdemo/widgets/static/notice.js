// One sentence about the link or picture that was opened, and the word to run it. props.value = {text, run, place}; a new `run` triggers
// 'select' once the element with the id `place` stands still: opening a tab builds it anew, and what arrives meanwhile is lost.
const line = element.querySelector('.notice'), LOOKS = 5, MOST = 100, BETWEEN = 80;
let last = '';
const whenStill = (id, act, before = null, same = 0, looks = 0) => {
  const now = document.getElementById(id), still = now && now === before ? same + 1 : 0;
  if (still >= LOOKS || looks > MOST) act(); else setTimeout(() => whenStill(id, act, now, still, looks + 1), BETWEEN);
};
const draw = () => {
  const value = props.value || {};
  line.textContent = String(value.text || '');
  if (value.arrived) document.documentElement.dataset.arrived = 'yes';  // the page is as the address asks
  if (!value.run || value.run === last) return;
  last = value.run;
  whenStill(String(value.place), () => trigger('select', {index: 0, value: null}));
};
watch('value', draw);
draw();
