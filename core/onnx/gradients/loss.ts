import { pair, type Rule } from './rule.ts';

/** Losses. */
export const LOSS: Record<string, Rule> = {
  /** Per pixel (reduction none): softmax − one-hot; 0 where the label is ignored. */
  SoftmaxCrossEntropyLoss: (ctx) => {
    const { dy, graph, call, shape } = ctx;
    const [scores, labels] = pair(ctx);
    const { reduction, ignore_index: ignored } = call.attributes;
    if (reduction !== 'none' || ignored === undefined)
      throw new Error('SoftmaxCrossEntropyLoss: no gradient without reduction none and an ignore_index');
    const [batch, , ...sides] = shape(scores) as [number, number, ...number[]];
    return [
      () => {
        const isIgnored = graph.node('Equal', [labels, graph.ints([ignored as number])]);
        const isLabelled = graph.cast(graph.node('Not', [isIgnored]), 'float32');
        const weight = graph.reshape(graph.node('Mul', [dy, isLabelled]), [batch, 1, ...sides]);
        const label = graph.reshape(graph.node('Where', [isIgnored, graph.ints([0]), labels]), [
          batch,
          1,
          ...sides,
        ]);
        const softmax = graph.node('Softmax', [scores], { axis: 1 });
        const known = graph.node('GatherElements', [softmax, label], { axis: 1 });
        const off = graph.node('Sub', [known, graph.scalar(1)]);
        const weighted = graph.node('Mul', [softmax, weight]);
        return graph.node('ScatterElements', [weighted, label, graph.node('Mul', [off, weight])], {
          axis: 1,
        });
      },
      null,
    ];
  },
};
