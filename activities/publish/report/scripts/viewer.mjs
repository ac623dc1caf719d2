// The samples' viewer: two layers of a sample, one over the other, cut at a divider.
const PANELS = ['image', 'truth', 'prediction'];
const MAX_ZOOM = 16;
/** From here on a pixel is shown as one. */
const PIXELS_FROM = 3;
const STEP_PX = 40;

const viewer = document.querySelector('[data-script="viewer"]');
const pictures = [...document.querySelectorAll('.overlays img')];
const stage = viewer.querySelector('.stage');
const range = viewer.querySelector('input');
const said = viewer.querySelector('output');
const selects = Object.fromEntries([...viewer.querySelectorAll('select')].map((s) => [s.dataset.of, s]));
let view = { zoom: 1, x: 0, y: 0 };

/** A layer of a sample: its part of the overlay, and the errors over it. */
function layerOf(picture, layer) {
  const gap = Number(viewer.dataset.gap);
  const width = (picture.naturalWidth - 2 * gap) / 3;
  const world = document.createElement('div');
  world.className = `world ${layer}`;
  const image = picture.cloneNode();
  const panel = Math.max(0, PANELS.indexOf(layer));
  image.alt = `${layer} of ${selects.sample.selectedOptions[0].textContent}`;
  image.style.width = `${(100 * picture.naturalWidth) / width}%`;
  image.style.left = `${(-100 * panel * (width + gap)) / width}%`;
  world.append(image);
  if (layer === 'errors' && picture.dataset.errors) {
    const errors = new Image();
    errors.src = picture.dataset.errors;
    errors.alt = '';
    errors.style.width = '100%';
    world.append(errors);
  }
  return world;
}

async function show() {
  const picture = pictures[selects.sample.value];
  await picture.decode().catch(() => {});
  // Another one was chosen meanwhile.
  if (picture !== pictures[selects.sample.value]) return;
  const width = (picture.naturalWidth - 2 * Number(viewer.dataset.gap)) / 3;
  stage.style.aspectRatio = `${width} / ${picture.naturalHeight}`;
  viewer.style.setProperty('--ratio', width / picture.naturalHeight);
  for (const pane of stage.querySelectorAll('.pane')) {
    const layer = selects[pane.dataset.side].value;
    pane.replaceChildren(
      layerOf(picture, layer),
      Object.assign(document.createElement('b'), { textContent: layer }),
    );
  }
  place();
}

function place() {
  const { width, height } = stage.getBoundingClientRect();
  const within = (at, size) => Math.min(0, Math.max(size * (1 - view.zoom), at));
  view = { zoom: view.zoom, x: within(view.x, width), y: within(view.y, height) };
  for (const world of stage.querySelectorAll('.world')) {
    world.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
    world.style.imageRendering = view.zoom >= PIXELS_FROM ? 'pixelated' : '';
  }
  stage.style.setProperty('--split', `${range.value}%`);
  said.textContent = `${Math.round(100 * view.zoom)} %`;
}

/** About a point of the stage, which stays where it is: its centre if none is given. */
function zoom(factor, at) {
  const frame = stage.getBoundingClientRect();
  const [px, py] = at
    ? [at.clientX - frame.left, at.clientY - frame.top]
    : [frame.width / 2, frame.height / 2];
  const next = Math.min(MAX_ZOOM, Math.max(1, view.zoom * factor));
  const keep = (offset, point) => point - ((point - offset) * next) / view.zoom;
  view = { zoom: next, x: keep(view.x, px), y: keep(view.y, py) };
  place();
}

function pan(dx, dy) {
  view = { ...view, x: view.x + dx, y: view.y + dy };
  place();
}

function step(by) {
  const count = pictures.length;
  selects.sample.value = (Number(selects.sample.value) + by + count) % count;
  view = { zoom: 1, x: 0, y: 0 };
  show();
}

const actions = {
  previous: () => step(-1),
  next: () => step(1),
  in: () => zoom(1.5),
  out: () => zoom(1 / 1.5),
  reset: () => zoom(1 / view.zoom),
};
const keys = {
  ArrowLeft: () => pan(STEP_PX, 0),
  ArrowRight: () => pan(-STEP_PX, 0),
  ArrowUp: () => pan(0, STEP_PX),
  ArrowDown: () => pan(0, -STEP_PX),
  '+': actions.in,
  '=': actions.in,
  '-': actions.out,
  0: actions.reset,
};

for (const button of viewer.querySelectorAll('[data-do]'))
  button.addEventListener('click', actions[button.dataset.do]);
for (const select of Object.values(selects)) select.addEventListener('change', show);
range.addEventListener('input', place);
addEventListener('resize', place);
stage.addEventListener('keydown', (event) => {
  const action = !event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
// A wheel over a picture that fits scrolls the page, unless it is asked to zoom.
stage.addEventListener(
  'wheel',
  (event) => {
    if (view.zoom === 1 && !event.ctrlKey && document.activeElement !== stage) return;
    event.preventDefault();
    zoom(1.0015 ** -event.deltaY, event);
  },
  { passive: false },
);
// Near the divider a drag moves that, elsewhere the picture.
stage.addEventListener('pointerdown', (event) => {
  const frame = stage.getBoundingClientRect();
  const isDivider = Math.abs(event.clientX - frame.left - (frame.width * range.value) / 100) < 16;
  let last = event;
  stage.setPointerCapture(event.pointerId);
  const move = (now) => {
    if (isDivider || view.zoom === 1) {
      range.value = (100 * (now.clientX - frame.left)) / frame.width;
      place();
    } else pan(now.clientX - last.clientX, now.clientY - last.clientY);
    last = now;
  };
  const end = () => stage.removeEventListener('pointermove', move);
  stage.addEventListener('pointermove', move);
  for (const name of ['pointerup', 'pointercancel']) stage.addEventListener(name, end, { once: true });
});
for (const [i, picture] of pictures.entries())
  picture.addEventListener('click', () => {
    selects.sample.value = i;
    view = { zoom: 1, x: 0, y: 0 };
    show();
    viewer.scrollIntoView({ block: 'nearest' });
  });

viewer.hidden = false;
show();
