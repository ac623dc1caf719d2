/* What decides in tiny models' config.json, as transformers and InternVL write it. */

type Json = Record<string, unknown>;

export const INTERNVIT_6B: Json = {
  model_type: 'intern_vit_6b',
  hidden_size: 30,
  intermediate_size: 120,
  num_hidden_layers: 4,
  num_attention_heads: 5,
  image_size: 56,
  patch_size: 14,
  num_channels: 3,
  layer_norm_eps: 1e-6,
  hidden_act: 'gelu',
  qk_normalization: true,
  qkv_bias: false,
  torch_dtype: 'bfloat16',
};

export const INTERNVIT_300M: Json = {
  ...INTERNVIT_6B,
  hidden_size: 24,
  intermediate_size: 96,
  num_attention_heads: 3,
  norm_type: 'layer_norm',
  qk_normalization: false,
  qkv_bias: true,
};

export const DINOV2_REGISTERS: Json = {
  model_type: 'dinov2_with_registers',
  hidden_size: 24,
  mlp_ratio: 4,
  num_hidden_layers: 4,
  num_attention_heads: 3,
  image_size: 56,
  patch_size: 14,
  num_channels: 3,
  layer_norm_eps: 1e-6,
  hidden_act: 'gelu',
  qkv_bias: true,
  use_swiglu_ffn: false,
  num_register_tokens: 4,
};

export const DINOV2_GIANT: Json = {
  model_type: 'dinov2',
  hidden_size: 32,
  mlp_ratio: 4,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  image_size: 56,
  patch_size: 14,
  num_channels: 3,
  layer_norm_eps: 1e-6,
  hidden_act: 'gelu',
  qkv_bias: true,
  use_swiglu_ffn: true,
};

export const DINOV3_S: Json = {
  model_type: 'dinov3_vit',
  hidden_size: 24,
  intermediate_size: 96,
  num_hidden_layers: 4,
  num_attention_heads: 2,
  image_size: 224,
  patch_size: 16,
  num_channels: 3,
  layer_norm_eps: 1e-5,
  hidden_act: 'gelu',
  use_gated_mlp: false,
  num_register_tokens: 4,
  rope_theta: 100,
  query_bias: true,
  key_bias: false,
  value_bias: true,
  mlp_bias: true,
  proj_bias: true,
};

export const DINOV3_7B: Json = {
  ...DINOV3_S,
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 2,
  hidden_act: 'silu',
  use_gated_mlp: true,
  query_bias: false,
  value_bias: false,
};
