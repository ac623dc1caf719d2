import { dinoV2 } from './dinov2.ts';
import { dinoV3 } from './dinov3.ts';
import { internViT } from './intern-vit.ts';

/** All families, by their type in a config. */
export const FAMILIES = { InternViT: internViT, DINOv2: dinoV2, DINOv3: dinoV3 };
