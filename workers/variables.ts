/** Who sets an environment variable. */
export type SetBy = 'you' | 'the manifests' | 'Tessera' | 'developers';

/** An environment variable that Tessera reads. */
export interface Variable {
  name: `TESSERA_${string}` | `HF_${string}`;
  setBy: SetBy;
  /** What reads it. */
  readBy: string;
  default: string;
  means: string;
}

/**
 * Every `TESSERA_*`, and those of the Hugging Face Hub: pure data, for the reference. Temporal's and AWS's own variables
 * are documented by them.
 */
export const VARIABLES: Variable[] = [
  {
    name: 'TESSERA_STATE',
    setBy: 'you',
    readBy: 'all programs',
    default: '`.tessera` of the clone; `~/.local/state/tessera` (XDG_STATE_HOME) of the npm package',
    means: 'Folder for the local stack, caches, logs and results on this machine.',
  },
  {
    name: 'TESSERA_BUCKET',
    setBy: 'you',
    readBy: '`tessera`',
    default: '`tessera`',
    means: 'Bucket for runs that are started without `--output`.',
  },
  {
    name: 'TESSERA_TEMPORAL_UI',
    setBy: 'you',
    readBy: '`tessera`',
    default: 'the UI of the local stack',
    means: "Address of Temporal's web pages, for links to a run.",
  },
  {
    name: 'TESSERA_NAMESPACE',
    setBy: 'you',
    readBy: 'control worker, `tessera leftovers`',
    default: "the context's namespace, else `tessera`",
    means: 'Kubernetes namespace of the workers.',
  },
  {
    name: 'TESSERA_CACHE',
    setBy: 'you',
    readBy: 'GPU worker',
    default: '`cache` in TESSERA_STATE',
    means: 'Folder for weights, shared by all workers of a node.',
  },
  {
    name: 'TESSERA_CACHE_FALLBACK',
    setBy: 'the manifests',
    readBy: 'GPU worker',
    default: 'none',
    means: "Folder of the worker's own, for a cache that cannot be written to: that one is then only read.",
  },
  {
    name: 'TESSERA_VERIFY_CACHE',
    setBy: 'you',
    readBy: 'GPU worker',
    default: 'off',
    means: '`1` hashes a cached file each time it is used, not only after a change or a reboot.',
  },
  {
    name: 'TESSERA_SCRATCH',
    setBy: 'you',
    readBy: 'GPU worker',
    default: '`scratch` in TESSERA_STATE',
    means: 'Folder for checkpoints on their way to S3.',
  },
  {
    name: 'TESSERA_S3_CONDITIONAL_WRITES',
    setBy: 'you',
    readBy: 'all programs',
    default: 'on',
    means: '`off` is for S3 stores without `If-None-Match`; publishing is then less strict.',
  },
  {
    name: 'HF_TOKEN',
    setBy: 'you',
    readBy: 'control worker, GPU worker, `tessera plan`',
    default: 'none',
    means: 'Secret token for private and gated models of the Hugging Face Hub.',
  },
  {
    name: 'HF_ENDPOINT',
    setBy: 'you',
    readBy: 'control worker, GPU worker, `tessera plan`',
    default: '`https://huggingface.co`',
    means: 'Address of another server that answers as the Hub does. HF_TOKEN is sent to it.',
  },
  {
    name: 'TESSERA_NOTIFY_*',
    setBy: 'you',
    readBy: 'control worker',
    default: 'none',
    means: 'Secret address of a webhook that a config names: `run.notify.urlFrom.env`.',
  },
  {
    name: 'TESSERA_MLFLOW_*',
    setBy: 'you',
    readBy: 'control worker',
    default: 'none',
    means:
      'Address of an MLflow server that a config names: `run.report.mlflow.uriFrom.env`; with `_TOKEN` at the end, its token.',
  },
  {
    name: 'TESSERA_LOCAL_METRICS_PORT',
    setBy: 'you',
    readBy: 'control worker',
    default: 'none: no metrics of local workers',
    means: 'First port of `/metrics` of workers that run as processes.',
  },
  {
    name: 'TESSERA_LAUNCHER',
    setBy: 'the manifests',
    readBy: 'control worker, `tessera doctor`',
    default: '`local`',
    means: '`kubernetes` starts workers as pods, `local` as processes.',
  },
  {
    name: 'TESSERA_HEALTH_PORT',
    setBy: 'the manifests',
    readBy: 'control worker, GPU worker',
    default: 'none: no health pages',
    means: 'Port of `/livez` and `/readyz`.',
  },
  {
    name: 'TESSERA_METRICS_PORT',
    setBy: 'the manifests',
    readBy: 'control worker, GPU worker',
    default: 'none: no metrics',
    means: 'Port of `/metrics`, for Prometheus.',
  },
  {
    name: 'TESSERA_HOST',
    setBy: 'the manifests',
    readBy: 'GPU worker',
    default: 'first address that other machines reach',
    means: 'Address at which a trainer receives features.',
  },
  {
    name: 'TESSERA_FEATURE_PORT',
    setBy: 'the manifests',
    readBy: 'GPU worker',
    default: 'any free port',
    means: 'Port at which a trainer receives features.',
  },
  {
    name: 'TESSERA_IMAGE_DIGEST',
    setBy: 'you',
    readBy: 'control worker',
    default: 'none',
    means: "The image's digest, as results.json is to state it.",
  },
  {
    name: 'TESSERA_CODE_VERSION',
    setBy: 'Tessera',
    readBy: 'all programs',
    default: "version and commit of the clone, or the package's version",
    means: 'Version of the code, as images state it.',
  },
  {
    name: 'TESSERA_BUILD',
    setBy: 'Tessera',
    readBy: 'all programs',
    default: 'none',
    means: "Folder of a clone's compiled code.",
  },
  {
    name: 'TESSERA_TASK_QUEUE',
    setBy: 'Tessera',
    readBy: 'control worker, GPU worker',
    default: '`tessera` for the control worker',
    means: "Temporal task queue that the program polls: a GPU worker's is that of its run.",
  },
  {
    name: 'TESSERA_WORKFLOW_ID',
    setBy: 'Tessera',
    readBy: 'GPU worker',
    default: 'required',
    means: 'Workflow id of the run that a worker belongs to.',
  },
  {
    name: 'TESSERA_RUN_ID',
    setBy: 'Tessera',
    readBy: 'GPU worker',
    default: 'required',
    means: 'Run id of the run that a worker belongs to.',
  },
  {
    name: 'TESSERA_WORKER',
    setBy: 'Tessera',
    readBy: 'GPU worker',
    default: 'required',
    means: "The worker's name.",
  },
  {
    name: 'TESSERA_LOG_TIMES',
    setBy: 'Tessera',
    readBy: 'GPU worker',
    default: 'off',
    means: 'Lines of the log begin with the time. Kubernetes adds times itself.',
  },
  {
    name: 'TESSERA_GOLDEN',
    setBy: 'developers',
    readBy: 'tests',
    default: '`test/golden`',
    means: "Another folder with the original's numbers.",
  },
  {
    name: 'TESSERA_PYTHON',
    setBy: 'developers',
    readBy: 'tests',
    default: 'none: these tests are skipped',
    means: 'Python with PyTorch or NumPy, which tests compare with.',
  },
  {
    name: 'TESSERA_OPENCV_PYTHON',
    setBy: 'developers',
    readBy: 'tests',
    default: 'none: these tests are skipped',
    means: 'Python with OpenCV and mmcv, whose pixels are compared.',
  },
  {
    name: 'TESSERA_TRANSCRIPT',
    setBy: 'developers',
    readBy: 'tests',
    default: 'none',
    means: 'File that keeps what the commands print in the test on a cluster.',
  },
  {
    name: 'TESSERA_PROFILE',
    setBy: 'Tessera',
    readBy: '`npm run bench:gpu`',
    default: 'none',
    means: "Folder for ONNX Runtime's profiles.",
  },
  {
    name: 'TESSERA_RIG',
    setBy: 'Tessera',
    readBy: '`npm run test:k8s`',
    default: 'none',
    means: "Folder of the test cluster's logs and process ids.",
  },
  {
    name: 'TESSERA_IMAGES',
    setBy: 'Tessera',
    readBy: '`npm run test:k8s`',
    default: 'none',
    means: 'Images that the test cluster gets.',
  },
  {
    name: 'TESSERA_VERSITYGW_BIN',
    setBy: 'Tessera',
    readBy: '`npm run test:k8s`',
    default: 'none',
    means: "The test cluster's S3 server.",
  },
  {
    name: 'TESSERA_TEMPORAL_BIN',
    setBy: 'Tessera',
    readBy: '`npm run test:k8s`',
    default: 'none',
    means: "The test cluster's `temporal`.",
  },
  {
    name: 'TESSERA_KWOK_BIN',
    setBy: 'Tessera',
    readBy: '`npm run bench:k8s`',
    default: 'none',
    means: 'What pretends nodes.',
  },
];
