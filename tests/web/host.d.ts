/** What the pack uses of ComfyUI's front-end. */

declare module "*/scripts/app.js" {
  export const app: {
    rootGraph?: any;
    graph?: any;
    ui?: { settings?: { getSettingValue(id: string): string | undefined } };
    extensionManager?: any;
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
