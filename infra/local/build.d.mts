export declare function ensureBuild(root: string, signal?: AbortSignal): Promise<string>;
