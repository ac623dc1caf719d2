/**
 * Contrast of each element's text with what is behind it, by WCAG 2.
 * Runs inside of the page, and so may use nothing from outside of itself.
 */
export function contrastRatios(elements: Element[]): number[] {
  const canvas = document.createElement('canvas');
  canvas.width = 1;
  canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true })!;

  /** Relative luminance of these CSS colours painted over each other, the first at the bottom. */
  function luminance(layers: string[]): number {
    for (const layer of layers) {
      context.fillStyle = layer;
      context.fillRect(0, 0, 1, 1);
    }
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((v) => {
      const s = v / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  }

  return elements.map((element) => {
    const layers: string[] = [];
    for (let at: Element | null = element; at; at = at.parentElement) {
      layers.unshift(getComputedStyle(at).backgroundColor);
    }
    const behind = luminance(layers);
    const text = luminance([...layers, getComputedStyle(element).color]);
    return (Math.max(behind, text) + 0.05) / (Math.min(behind, text) + 0.05);
  });
}
