// The picture as the model sees it. props.value = {picture, src, alt, caption}; `picture` goes back to Python as an input.
// The page's own portrait has a button to change it, and says when another picture was chosen.
const box = element.querySelector('.portrait');
let last = null;
const draw = () => {
  const value = props.value || {}, own = Boolean(element.closest('#chip'));
  box.replaceChildren();
  if (isPng(value.src)) picture(value.src, value.alt, box);
  const words = tag('div', '', box);
  tag('p', '', words, value.caption || '');
  if (!own) return;
  const change = tag('button', 'change', words, 'Change picture');
  change.type = 'button';
  change.addEventListener('click', () => document.dispatchEvent(new Event('diffdemo:pick')));
  if (last !== null && last !== value.src) document.dispatchEvent(new Event('diffdemo:picked'));
  last = value.src;
};
watch('value', draw);
draw();
