/** What a name on the command line stands for: the tiny config with other sizes, and how much of the set. */
export interface Preset {
  overrides: string[];
  /** Images of one pass. */
  images: number;
  /** Whether the whole set is also evaluated through Temporal. */
  endToEnd: boolean;
}

export const PRESETS = {
  tiny: { overrides: [], images: 100, endToEnd: true },
  /** The sizes of bench-reference, which times mmsegmentation's own loop. Minutes on two cores. */
  mid: {
    overrides: [
      'name=mid',
      'model.backbone.imageSizePx=504',
      'model.backbone.embedDim=384',
      'model.backbone.depth=12',
      'model.backbone.heads=6',
      'model.backbone.taps=[10]',
      'model.head.channels=384',
      'model.test.cropPx=504',
      'model.test.stridePx=322',
      'pipeline.resize.shortSidePx=504',
    ],
    images: 8,
    endToEnd: false,
  },
} satisfies Record<string, Preset>;
