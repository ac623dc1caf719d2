import type { Value } from '../../onnx/graph.ts';
import { maxPool } from '../../onnx/max-pool.ts';
import type { Neck } from './head-type.ts';

/** Epsilon of the original's channels-first LayerNorm. */
const LAYER_NORM_EPS = 1e-6;

/**
 * Four levels out of four taps of one size: ×4, ×2, as it is, ÷2. In float32, whatever the blocks' type is.
 * Transposed convolutions of stride 2 and the norm between them train even where the backbone is frozen.
 *
 * @see InternVL `InternViT6B` with with_fpn=True: up1 to up4
 */
export const featurePyramid: Neck = {
  specs: ({ embedDim: c }) => {
    const up = (key: string) => [
      { name: `backbone.${key}.weight`, shape: [c, c, 2, 2] },
      { name: `backbone.${key}.bias`, shape: [c] },
    ];
    const norm = ['weight', 'bias'].map((part) => ({ name: `backbone.up1.1.${part}`, shape: [c] }));
    return [...up('up1.0'), ...norm, ...up('up1.3'), ...up('up2.0')];
  },
  sides: (grid) => [4 * grid, 2 * grid, grid, Math.floor(grid / 2)],
  graph: (graph, weights, taps) => {
    const load = (key: string) => weights(graph, `backbone.${key}`, 'float32');
    const up = (x: Value, key: string, name?: string) =>
      graph.node(
        'ConvTranspose',
        [x, load(`${key}.weight`), load(`${key}.bias`)],
        { kernel_shape: [2, 2], strides: [2, 2] },
        name,
      );
    const [first, second, third, fourth] = taps as [Value, Value, Value, Value];

    const twice = graph.transpose(up(first, 'up1.0'), [0, 2, 3, 1]);
    const epsilon = { float: LAYER_NORM_EPS };
    const normalised = graph.node('LayerNormalization', [twice, load('up1.1.weight'), load('up1.1.bias')], {
      axis: -1,
      epsilon,
    });
    const activated = graph.node('Gelu', [graph.transpose(normalised, [0, 3, 1, 2], 'up1_layernorm')]);
    return [
      up(activated, 'up1.3', 'feat0'),
      up(second, 'up2.0', 'feat1'),
      graph.node('Identity', [third], {}, 'feat2'),
      maxPool(graph, fourth, [2, 2], 'feat3'),
    ];
  },
  applications: (name, grid) => (name.startsWith('backbone.up1.3') ? 2 * grid : grid) ** 2,
};
