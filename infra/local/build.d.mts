export declare function ensureBuild(root: string, signal?: AbortSignal): Promise<string>;
export declare function buildTo(root: string, folder: string, files?: string[]): Promise<void>;
