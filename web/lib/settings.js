/** The settings of the pack in ComfyUI's settings dialog. */

/**
 * The setting of the hosts that may get images. nodes/host/http_hosts.py reads it; a workflow
 * cannot change it.
 */
export const HOSTS = {
  id: "FlowSearch.HTTPHosts",
  category: ["Flow Search", "Servers", "HTTPHosts"],
  name: "Servers that may get images",
  tooltip:
    "vqascore_http sends images to this computer and to the hosts listed here. Separate them by commas: gpu-box, 192.168.1.5:8000",
  type: "text",
  defaultValue: "",
};
