/** An element with attributes and children. Texts become text, never markup. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'class') node.className = value;
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A button. */
export const button = (label, title, onclick, attributes = {}) => el('button', { type: 'button', title, onclick, ...attributes }, label);

/** Light or dark: as the system says, until the person says otherwise. */
export function themeSwitch(changed) {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const toggle = button('', 'Switch between light and dark', () => set(root.dataset.theme === 'dark' ? 'light' : 'dark'), { id: 'theme' });
  const set = (theme) => {
    root.dataset.theme = theme;
    toggle.textContent = theme === 'dark' ? 'Light' : 'Dark';
    changed();
  };
  root.dataset.theme = system.matches ? 'dark' : 'light';
  toggle.textContent = system.matches ? 'Light' : 'Dark';
  system.addEventListener('change', () => set(system.matches ? 'dark' : 'light'));
  return toggle;
}
