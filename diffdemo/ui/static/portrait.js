// The picture as the model sees it. props.value = {picture, src, alt, caption}; `picture` goes back to Python as an input.
const box = element.querySelector('.portrait');
const isPng = s => typeof s === 'string' && /^data:image\/png;base64,[A-Za-z0-9+\/=]+$/.test(s);
const draw = () => {
  const value = props.value || {};
  box.replaceChildren();
  if (isPng(value.src)) {
    const image = document.createElement('img');
    image.src = value.src; image.alt = String(value.alt || '');
    box.append(image);
  }
  const caption = document.createElement('p');
  caption.textContent = String(value.caption || '');
  box.append(caption);
};
watch('value', draw);
draw();
