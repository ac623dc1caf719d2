/** A form in which other programs write checkpoints, and how to get from there to one that is read. */
interface KnownForm {
  is: (keys: string[], topLevelKeys: string[]) => boolean;
  says: string;
}

const FORMS: KnownForm[] = [
  {
    is: (keys) =>
      keys.some((key) => /\.lora_(A|B|embedding_A)\./.test(key) || key.startsWith('base_model.model.')),
    says:
      'These are the names of a LoRA adapter (peft): merge it into its model ' +
      '(model.merge_and_unload()) and save the state_dict() of that',
  },
  {
    is: (keys) => keys.some((key) => key.startsWith('_orig_mod.') || key.includes('._orig_mod.')),
    says: "These are the names of torch.compile: save model._orig_mod.state_dict(), or take '_orig_mod.' out of the names",
  },
  {
    is: (keys) => keys.some((key) => key.includes('_fsdp_wrapped_module.') || key.includes('_flat_param')),
    says: 'These are the names of FSDP: save with StateDictType.FULL_STATE_DICT',
  },
  {
    is: (_, top) => top.includes('pytorch-lightning_version'),
    says:
      'This is a checkpoint of Lightning, whose names begin with those of its module: ' +
      'take the model out of it and save its state_dict()',
  },
  {
    is: (keys, top) =>
      top.some((key) => /^(ds_version|ds_config|zero_stage|param_shapes|optimizer_state_dict)$/.test(key)) ||
      keys.some((key) => /^(param_shapes|single_partition_of_fp32_groups)/.test(key)),
    says: 'This is a shard of DeepSpeed: run its zero_to_fp32.py in the folder of the checkpoint, and take what that writes',
  },
  {
    is: (keys) =>
      keys.some((key) =>
        /(^|\.)(vision_model\.|embeddings\.(class_embedding|position_embedding|patch_embedding|cls_token)|encoder\.layers?\.\d+\.)/.test(
          key,
        ),
      ),
    says:
      "These are the names of a model on the Hugging Face Hub of another family than the config's model.backbone; " +
      'see tessera configs for those that are read',
  },
  {
    is: (keys) => keys.some((key) => /^(teacher|student|model_ema|ema)\./.test(key)),
    says: 'These are the names of a training with a teacher: save the state_dict() of the one model that is wanted',
  },
];

/**
 * What is known of a checkpoint none of whose names fits: its form, and the remedy.
 *
 * @param keys of its tensors
 * @param topLevelKeys of the file
 */
export function knownForm(keys: string[], topLevelKeys: string[]): string | null {
  return FORMS.find(({ is }) => is(keys, topLevelKeys))?.says ?? null;
}
