// The picture as the model sees it. props.value = {picture, src, alt, caption}; `picture` goes back to Python as an input.
const box = element.querySelector('.portrait');
const draw = () => {
  const value = props.value || {};
  box.replaceChildren();
  if (isPng(value.src)) picture(value.src, value.alt, box);
  tag('p', '', box, value.caption || '');
};
watch('value', draw);
draw();
