// Figures of the tabs after the first: a picture with its words, signs between pictures, and folds.
// A picture with a name in bold and a few words below it; `outcome` is 'back', 'changed' or nothing.
const figure = (parent, src, alt, name, words, outcome) => {
  const box = tag('figure', outcome ? `judged ${outcome}` : '', parent);
  picture(src, alt, box);
  const caption = tag('figcaption', '', box);
  if (name) tag('b', '', caption, unbroken(name));
  if (words) tag('span', '', caption, unbroken(words));
  return box;
};
// An arrow or a sign between two pictures; their words say the same.
const sign = (parent, text) => tag('span', 'sign', parent, text).setAttribute('aria-hidden', 'true');
// ✓ or ≠, and nothing while nobody knows.
const verdict = back => ({true: '✓', false: '≠'}[back] || '');
const outcomeOf = back => ({true: 'back', false: 'changed'}[back] || 'open');
