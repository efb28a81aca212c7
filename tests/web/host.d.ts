/** What the pack uses of ComfyUI's front-end. */

declare const LiteGraph: {
  registered_node_types: Record<string, any>;
  vueNodesMode?: boolean;
  createNode(type: string): any;
};

declare module "*/scripts/app.js" {
  export const app: {
    rootGraph?: any;
    graph?: any;
    canvas?: any;
    ui?: { settings?: { getSettingValue(id: string): string | undefined } };
    extensionManager?: any;
    lastNodeErrors?: Record<string, { errors: { message: string; details?: string }[] }> | null;
    registerExtension(extension: object): void;
  };
}

declare module "*/scripts/api.js" {
  export const api: EventTarget & {
    clientId?: string;
    apiURL(route: string): string;
    fetchApi(route: string, options?: RequestInit): Promise<Response>;
  };
}
